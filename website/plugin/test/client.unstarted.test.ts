// @vitest-environment node
import {expect, test} from 'vitest';
import {createClient, type Question} from '../src/client';
import {all, type Answer, ended, json, memory, opened, serve, stream} from './client.server';

const begun: Answer = (_, response) => {
  stream(response);
  response.end(opened() + ended('1:0'));
};
const SELECTOR = {prefix: '', suffix: '', start: 0, end: 4};
const WHERE = {url: 'https://docs.test/a/', path: 'a/', title: 'A'};
const QUESTION: Question = {message: 'How?', quote: {text: 'Text', source: WHERE, selector: SELECTOR}};

/** A reader whose pages share a server, a store of the browser and one of the tab. */
async function reader(answers: Record<string, Answer> = {}) {
  const server = await serve({'POST /chat/stream': begun, ...answers});
  const [store, tab] = [memory(), memory()];
  return {
    ...server,
    store,
    tab,
    load: () => createClient({apiUrl: server.url, store, tab, locks: null}),
    posted: () => server.asked.filter(({path}) => path === '/chat/stream').map(({body}) => body),
  };
}

test('a page that is loaded again asks with the same body, and in the same thread', async () => {
  const {load, posted} = await reader();
  await all(load().ask(QUESTION));
  for (const question of [QUESTION, {...QUESTION, threadId: 'thread-1'}]) {
    const count = posted().length;
    await all(load().ask(question));
    const unsettled = load().unsettled()!;
    expect(unsettled.question).toEqual(question);
    await all(unsettled.stream);
    expect(posted()[count + 1]).toEqual(posted()[count]);
  }
});

test('a question that was never sent is asked in whatever session there is', async () => {
  const {load, posted} = await reader();
  load().ask(QUESTION);
  await load().threads().catch(() => null);
  expect(posted()).toEqual([]);
  await all(load().unsettled()!.stream);
  expect(posted().length).toBe(1);
});

test('a question whose session is gone is not asked a second time in another one', async () => {
  const {load, store, tab} = await reader();
  await all(load().ask(QUESTION));
  store.kept.clear();
  expect([load().unsettled(), tab.kept.size]).toEqual([null, 0]);
});

test('what is settled is not kept again when its request goes out later', async () => {
  const {load, tab} = await reader();
  const client = load();
  const stream = client.ask(QUESTION);
  client.settle();
  await all(stream);
  expect([load().unsettled(), tab.kept.size]).toEqual([null, 0]);
});

test('whoever has everything deleted leaves no question behind', async () => {
  const {load, tab} = await reader({'DELETE /sessions/me': (_, response) => json(response, 200, {})});
  await all(load().ask(QUESTION));
  await load().forget();
  expect(tab.kept.size).toBe(0);
});
