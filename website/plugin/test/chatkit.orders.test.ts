// @vitest-environment jsdom
// ChatKit's element refuses what it is asked while it is busy: nothing of it may be lost.

import type {OpenAIChatKit} from '@openai/chatkit';
import {beforeEach, expect, test} from 'vitest';

import {ordersOf} from '../src/chatkit/orders';

let element: HTMLElement;
let order: ReturnType<typeof ordersOf>;
let done: string[];
const says = async (name: string) => {
  element.dispatchEvent(new Event(`chatkit.${name}`));
  await new Promise((resolve) => setTimeout(resolve));
};
const does = (name: string) => order(async () => void done.push(name));

beforeEach(() => {
  element = document.createElement('div');
  order = ordersOf(element as OpenAIChatKit);
  done = [];
});

test('what is asked before it is ready is done then, in order', async () => {
  does('first');
  does('second');
  await says('response.end');
  expect(done).toEqual([]);
  await says('ready');
  expect(done).toEqual(['first', 'second']);
});

test.each([
  ['response.start', 'response.end'],
  ['thread.load.start', 'thread.load.end'],
])('what is asked after %s waits for %s', async (begin, end) => {
  await says('ready');
  await says(begin);
  does('it');
  await says('ready');
  expect(done).toEqual([]);
  await says(end);
  expect(done).toEqual(['it']);
});

test('what is refused is tried once more when the element has ended something', async () => {
  await says('ready');
  let tries = 0;
  order(async () => {
    tries++;
    throw new Error('busy');
  });
  does('next');
  await says('response.end');
  await says('response.end');
  expect([tries, done]).toEqual([2, ['next']]);
});
