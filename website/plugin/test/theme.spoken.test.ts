// What screen readers are told of a growing answer.

import {expect, it} from 'vitest';
import {finished} from '../src/theme/Citeside/spoken';

it('says whole sentences only, and each once', () => {
  const text = 'Add the **locale** to `i18n.locales`. [1] Then build';
  const first = finished(text, 0, false);
  expect(first.spoken).toBe('Add the locale to i18n.locales.');
  expect(finished(text, first.next, false).spoken).toBe('');
  expect(finished(`${text} it.`, first.next, true).spoken).toBe('Then build it.');
});
