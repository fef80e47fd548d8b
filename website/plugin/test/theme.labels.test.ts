// What the server discloses is said in the reader's words where the panel knows the code, and as told where it does not.

import {expect, it, vi} from 'vitest';
import {disclosure} from '../src/theme/Citeside/labels';

vi.mock('../src/page/site', () => ({options: () => ({labels: {disclosedTraced: 'Traced, says the site.'}})}));

it.each([
  ['kept', 'A conversation is deleted 14 days after you continued it last.'],
  ['scrubbed', 'What may identify you, such as an e-mail address, is replaced before a question is stored.'],
  ['traced', 'Traced, says the site.'],
  ['something new', 'As the server says it.'],
])('says %s', (code, said) => {
  expect(disclosure({code, detail: 'As the server says it.'}, 14)).toBe(said);
});
