// @vitest-environment node
import {expect, test} from 'vitest';
import {codePoints, utf16} from '../src/client';

test('an offset counts an emoji once, however long it is in JavaScript', () => {
  expect(utf16('👍 ok', 1)).toBe(2);
  expect('a👍🏽é日b'.slice(utf16('a👍🏽é日b', 3), utf16('a👍🏽é日b', 5))).toBe('é日');
  expect(codePoints('👍 ok')).toBe(4);
});

test('a family is as many code points as it has signs', () => {
  expect(codePoints('👩‍👩‍👧')).toBe(5);
});

test('an offset behind the end is the end', () => {
  expect(utf16('a👍', 9)).toBe(3);
  expect(utf16('', 1)).toBe(0);
});
