// @vitest-environment node
import {afterEach, expect, test, vi} from 'vitest';
import {browserStore, createClient, Problem, type Store} from '../src/client';
import {all, ended, json, memory, opened, problem, serve, stream} from './client.server';

afterEach(() => vi.unstubAllGlobals());

const PAGE = {data: [], has_more: false, after: null};

/** The storage of two tabs: what one writes the other reads `delay` ms later, as between a browser's processes. */
function shared(delay: number): [Store, Store] {
  const [first, second] = [memory(), memory()];
  const writing = (own: Store, other: Store): Store => ({
    get: own.get,
    set(key, value) {
      own.set(key, value);
      setTimeout(() => other.set(key, value), delay);
    },
    remove: own.remove,
  });
  return [writing(first, second), writing(second, first)];
}

/** Locks as those of a browser: whoever asks for a name waits until it is free, or is told at once that it is not. */
function lockManager(): LockManager {
  const queues = new Map<string, Promise<unknown>>();
  return {
    request: (name: string, ...[given, then]: [unknown, unknown]) => {
      const act = (then ?? given) as (lock: object | null) => Promise<unknown>;
      const before = queues.get(name);
      if (before && (given as LockOptions).ifAvailable) return Promise.resolve(act(null));
      const turn = (before ?? Promise.resolve()).then(() => act({name}));
      const left = turn.then(() => {}, () => {}).then(() => queues.get(name) === left && queues.delete(name));
      queues.set(name, left);
      return turn;
    },
  } as unknown as LockManager;
}

test.each([0, 200])('two tabs that begin at once share one session, though a store takes %i ms to tell', async (delay) => {
  const {url, paths, asked} = await serve({'GET /threads': (_, response) => json(response, 200, PAGE)});
  const locks = lockManager();
  const tabs = shared(delay).map((store) => createClient({apiUrl: url, store, locks}));
  await Promise.all([...tabs, ...tabs].map((tab) => tab.threads()));
  expect(paths().filter((path) => path === 'POST /sessions')).toEqual(['POST /sessions']);
  expect(new Set(asked.filter(({path}) => path === '/threads').map(({headers}) => headers.authorization))).toEqual(
    new Set(['Bearer token-1']),
  );
});

test('a tab that comes just after another got its session reads it too', async () => {
  const {url, paths} = await serve({'GET /threads': (_, response) => json(response, 200, PAGE)});
  const locks = lockManager();
  const [first, second] = shared(200).map((store) => createClient({apiUrl: url, store, locks}));
  await first!.threads();
  await second!.threads();
  expect(paths()).toEqual(['POST /sessions', 'GET /threads', 'GET /threads']);
});

test('what a client does at once needs one session, also without locks', async () => {
  const {url, paths} = await serve({'GET /threads': (_, response) => json(response, 200, PAGE)});
  const client = createClient({apiUrl: url, store: memory(), locks: null});
  await Promise.all([client.threads(), client.threads()]);
  expect(paths()).toEqual(['POST /sessions', 'GET /threads', 'GET /threads']);
});

test('a browser that refuses locks with its storage still asks', async () => {
  const {url} = await serve({'GET /threads': (_, response) => json(response, 200, PAGE)});
  const locks = {request: () => Promise.reject(new DOMException('Denied.', 'SecurityError'))} as unknown as LockManager;
  expect(await createClient({apiUrl: url, store: memory(), locks}).threads()).toEqual(PAGE);
});

test('an expired session is renewed once and without a word', async () => {
  const {url, paths} = await serve({
    'GET /threads': ({headers}, response) =>
      headers.authorization === 'Bearer token-1'
        ? json(response, 200, PAGE)
        : problem(response, 401, 'session_required'),
  });
  const store = memory();
  store.set(`citeside:${url}`, JSON.stringify({token: 'old'}));
  store.set(`citeside:${url}:thread`, 'thread of the old session');
  const client = createClient({apiUrl: url, store, locks: lockManager()});
  expect(await client.threads()).toEqual(PAGE);
  expect(paths()).toEqual(['GET /threads', 'POST /sessions', 'GET /threads']);
  expect(client.current.threadId).toBe(null);
});

test('a question goes into a new thread when its session has expired', async () => {
  const {url, asked} = await serve({
    'POST /chat/stream': ({headers}, response) => {
      if (headers.authorization === 'Bearer old') return problem(response, 401, 'session_required');
      stream(response);
      response.end(opened() + ended('1:0'));
    },
  });
  const store = memory();
  store.set(`citeside:${url}`, JSON.stringify({token: 'old'}));
  await all(createClient({apiUrl: url, store, locks: null}).ask({message: 'How?', threadId: 'thread-1'}));
  const id = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const bodies = asked.filter(({path}) => path === '/chat/stream').map(({body}) => body);
  expect(bodies).toEqual([
    {message: 'How?', thread_id: 'thread-1', client_message_id: id},
    {message: 'How?', client_message_id: id},
  ]);
});

test('a server that takes no session is a problem, not a loop', async () => {
  const {url, paths} = await serve({'GET /threads': (_, response) => problem(response, 401, 'session_required')});
  const client = createClient({apiUrl: url, store: memory(), locks: null});
  await expect(client.threads()).rejects.toMatchObject({status: 401, code: 'session_required'});
  expect(paths()).toEqual(['POST /sessions', 'GET /threads', 'POST /sessions', 'GET /threads']);
});

test('blocked storage is replaced by memory', async () => {
  const {url, paths} = await serve({'GET /threads': (_, response) => json(response, 200, PAGE)});
  vi.stubGlobal('localStorage', {
    getItem: () => {
      throw new DOMException('Denied.', 'SecurityError');
    },
    setItem: () => {
      throw new DOMException('Full.', 'QuotaExceededError');
    },
    removeItem: () => {
      throw new DOMException('Denied.', 'SecurityError');
    },
  });
  const client = createClient({apiUrl: url});
  await client.threads();
  await client.threads();
  client.current.set('thread-1');
  expect(client.current.threadId).toBe('thread-1');
  expect(paths()).toEqual(['POST /sessions', 'GET /threads', 'GET /threads']);
});

test('a page without storage keeps its session in memory', () => {
  vi.stubGlobal('localStorage', undefined);
  const store = browserStore();
  store.set('a', '1');
  expect(store.get('a')).toBe('1');
  store.remove('a');
  expect(store.get('a')).toBe(null);
});

test('deleting my data leaves nothing behind', async () => {
  const {url, asked} = await serve({
    'GET /threads': (_, response) => json(response, 200, PAGE),
    'DELETE /sessions/me': (_, response) => void response.writeHead(204).end(),
  });
  const store = memory();
  const client = createClient({apiUrl: url, store, locks: null});
  await client.threads();
  client.current.set('thread-1');
  await client.forget();
  expect([...store.kept]).toEqual([]);
  expect(asked.at(-1)).toMatchObject({method: 'DELETE', headers: {authorization: 'Bearer token-1'}});
});

test('deleting my data needs no session, and minds none that is gone', async () => {
  const {url, paths} = await serve({
    'DELETE /sessions/me': (_, response) => problem(response, 401, 'session_required'),
  });
  const store = memory();
  const client = createClient({apiUrl: url, store, locks: null});
  await client.forget();
  store.set(`citeside:${url}`, JSON.stringify({token: 'old'}));
  await client.forget();
  expect([...store.kept]).toEqual([]);
  expect(paths()).toEqual(['DELETE /sessions/me']);
});

test('my data that could not be deleted is not forgotten', async () => {
  const {url} = await serve({'DELETE /sessions/me': (_, response) => problem(response, 503, 'store_unavailable')});
  const store = memory();
  store.set(`citeside:${url}`, JSON.stringify({token: 'mine'}));
  await expect(createClient({apiUrl: url, store, locks: null}).forget()).rejects.toBeInstanceOf(Problem);
  expect(store.kept.size).toBe(1);
});

test('a site that has a proof sends it for each new session, and only then', async () => {
  const {url, asked} = await serve({'GET /threads': (_, response) => json(response, 200, PAGE)});
  const proof = vi.fn(async () => 'I am no robot');
  const client = createClient({apiUrl: url, store: memory(), locks: null, proof});
  await client.threads();
  await client.threads();
  expect([asked[0], proof.mock.calls.length]).toMatchObject([{path: '/sessions', body: {proof: 'I am no robot'}}, 1]);
});
