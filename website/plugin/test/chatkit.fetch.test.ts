// @vitest-environment node
// What the page adds to ChatKit's requests, and how it stops an answer, over real HTTP.

import {afterEach, beforeEach, expect, test, vi} from 'vitest';

import {pageFetch} from '../src/chatkit/fetch';
import {createClient, type Quote} from '../src/client';
import {type Answer, json, problem, serve, stream, TURN} from './client.server';

const HERE = {url: 'https://docs.test/a/', path: 'a/', title: 'A', version: 'current', locale: 'en'};
const QUOTE: Quote = {
  text: 'A notebook holds pages.',
  source: {...HERE, path: 'b/', heading_id: 'limits'},
  selector: {prefix: 'Limits. ', suffix: ' Ask.', start: 8, end: 31},
};
const input = {content: [{type: 'input_text', text: 'How many?'}], attachments: [], inference_options: {}};
const CREATE = {type: 'threads.create', params: {input: {...input, quoted_text: ''}}};

let page: EventTarget;
beforeEach(() => {
  page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
});
afterEach(() => vi.unstubAllGlobals());

/** A page with a server that answers `/chatkit` as told. */
async function opened(chatkit: Answer, {quote = null as Quote | null, stop = (() => {}) as () => void | Promise<void>} = {}) {
  const {url, asked, paths} = await serve({
    'POST /chatkit': chatkit,
    [`POST /turns/${TURN}/stop`]: async (_, response) => {
      await stop();
      json(response, 200, {});
    },
  });
  const onGone = vi.fn();
  const kept = new Map<string, string>();
  const store = {
    get: (key: string) => kept.get(key) ?? null,
    set: (key: string, value: string) => void kept.set(key, value),
    remove: (key: string) => void kept.delete(key),
  };
  const client = createClient({apiUrl: url, locks: null, store});
  const fetch = pageFetch({client, quote: () => quote, where: () => HERE, onGone});
  const ask = (body: object, signal?: AbortSignal) =>
    fetch(`${url}/chatkit`, {
      method: 'POST',
      headers: {'Content-Type': 'application/json', 'chatkit-frame-instance-id': 'f'},
      body: JSON.stringify(body),
      ...(signal && {signal}),
    });
  return {ask, onGone, asked, paths, bodies: () => asked.filter(({path}) => path === '/chatkit').map(({body}) => body)};
}

const done: Answer = (_, response) => json(response, 200, {});
const streaming: Answer = (_, response) => {
  stream(response);
  response.write('data: {"type":"progress_update","text":"…"}\n\n');
};

test('a question carries the session and the page', async () => {
  const {ask, asked, bodies} = await opened(done);
  await ask({...CREATE, metadata: {theirs: 1}});
  expect(asked.at(-1)!.headers).toMatchObject({authorization: 'Bearer token-1', 'chatkit-frame-instance-id': 'f'});
  expect(bodies()).toEqual([{...CREATE, metadata: {theirs: 1, source: HERE}}]);
});

test('a question about a quote carries its text, and where it stands', async () => {
  const {ask, bodies} = await opened(done, {quote: QUOTE});
  await ask({type: 'threads.add_user_message', params: {thread_id: 't', input}});
  expect(bodies()).toEqual([
    {
      type: 'threads.add_user_message',
      params: {thread_id: 't', input: {...input, quoted_text: QUOTE.text}},
      metadata: {source: QUOTE.source, selector: QUOTE.selector},
    },
  ]);
});

test('what the element quotes by itself is kept', async () => {
  const {ask, bodies} = await opened(done);
  const own = {type: 'threads.create', params: {input: {...input, quoted_text: 'Its own.'}}};
  await ask(own);
  expect(bodies()).toEqual([{...own, metadata: {source: HERE}}]);
});

test('other requests are sent as they are', async () => {
  const {ask, bodies} = await opened(done, {quote: QUOTE});
  await ask({type: 'threads.list', params: {limit: 9999}});
  expect(bodies()).toEqual([{type: 'threads.list', params: {limit: 9999}}]);
});

test('a session that the server no longer knows is renewed once', async () => {
  const {ask, paths} = await opened(({headers}, response) =>
    headers.authorization === 'Bearer token-1' ? problem(response, 401, 'session_unknown') : json(response, 200, {}),
  );
  expect((await ask(CREATE)).status).toBe(200);
  expect(paths()).toEqual(['POST /sessions', 'POST /chatkit', 'POST /sessions', 'POST /chatkit']);
});

test('a second refusal is the answer', async () => {
  const {ask, paths} = await opened((_, response) => problem(response, 401, 'session_unknown'));
  expect((await ask(CREATE)).status).toBe(401);
  expect(paths()).toHaveLength(4);
});

test('stopping an answer stops its turn, and the next question waits for that', async () => {
  let let_go = () => {};
  const {ask, paths} = await opened(streaming, {stop: () => new Promise((resolve) => (let_go = resolve))});
  const stopping = new AbortController();
  const answer = await ask(CREATE, stopping.signal);
  stopping.abort();
  await expect(answer.text()).rejects.toThrow(/abort/i);
  const next = ask(CREATE);
  await vi.waitFor(() => expect(paths()).toContain(`POST /turns/${TURN}/stop`));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(paths()).toEqual(['POST /sessions', 'POST /chatkit', `POST /turns/${TURN}/stop`]);
  let_go();
  await next;
  expect(paths().at(-1)).toBe('POST /chatkit');
});

test('an answer that is stopped before the server has told its turn is stopped as well', async () => {
  let answering = () => {};
  const {ask, paths} = await opened(async (asked, response) => {
    await new Promise<void>((resolve) => (answering = resolve));
    await streaming(asked, response);
  });
  const stopping = new AbortController();
  const answer = ask(CREATE, stopping.signal);
  await vi.waitFor(() => expect(paths()).toContain('POST /chatkit'));
  stopping.abort();
  await expect(answer).rejects.toThrow(/abort/i);
  answering();
  await vi.waitFor(() => expect(paths().at(-1)).toBe(`POST /turns/${TURN}/stop`));
});

test('a page that is left stops nothing', async () => {
  const {ask, paths} = await opened(streaming);
  const stopping = new AbortController();
  await ask(CREATE, stopping.signal);
  page.dispatchEvent(new Event('pagehide'));
  stopping.abort();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(paths()).toEqual(['POST /sessions', 'POST /chatkit']);
});

test('what is no answer can be broken off, and stops nothing', async () => {
  const {ask, paths} = await opened(() => {});
  const stopping = new AbortController();
  const listed = ask({type: 'threads.list', params: {}}, stopping.signal);
  await vi.waitFor(() => expect(paths()).toContain('POST /chatkit'));
  stopping.abort();
  await expect(listed).rejects.toThrow(/abort/i);
  expect(paths()).toEqual(['POST /sessions', 'POST /chatkit']);
});

test('a thread that the server does not know is told', async () => {
  const {ask, onGone} = await opened((_, response) => problem(response, 404, 'thread_unknown'));
  const response = await ask({type: 'threads.get_by_id', params: {thread_id: 'lost'}});
  expect(onGone.mock.calls).toEqual([['lost']]);
  expect(await response.json()).toMatchObject({code: 'thread_unknown'});
});
