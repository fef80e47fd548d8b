// @vitest-environment node
import {afterEach, expect, test, vi} from 'vitest';
import {createClient, type Client, type StreamItem} from '../src/client';
import {PATIENCE, turnStream} from '../src/client/stream';
import {
  all,
  ended,
  events,
  frame,
  opened,
  problem,
  serve,
  stream,
  text,
  told,
  TURN,
  type Answer,
} from './client.server';

afterEach(() => vi.unstubAllGlobals());

const LATER = () => new Promise((resolve) => setImmediate(resolve));
const HURRY = {...PATIENCE, silence: 150, shortest: 5, longest: 20};

async function asking(answers: Record<string, Answer>) {
  const server = await serve(answers);
  let kept: string | null = null;
  const store = {
    get: () => kept,
    set: (_: string, value: string) => void (kept = value),
    remove: () => void (kept = null),
  };
  return {...server, client: createClient({apiUrl: server.url, store, locks: null})};
}

/** Reads a turn with little patience from a server that speaks nothing but its stream. */
async function hurried(rejoin: Answer, patience = HURRY) {
  const server = await serve({[`GET /turns/${TURN}/stream`]: rejoin});
  const turn = turnStream(
    {turnId: TURN, cursor: null},
    ({cursor}, signal) =>
      fetch(`${server.url}/turns/${TURN}/stream`, {signal, headers: cursor ? {'last-event-id': cursor} : {}}),
    {now: Date.now, patience},
  );
  return {...server, turn};
}

test('a text arrives whole however its bytes are cut', async () => {
  const answer = 'Grüße 👋🏽 — 日本語\r\n\n「code」';
  const offset = `1:${[...answer].length}`;
  const sent = Buffer.from(opened() + ': ping\r\n\r\n' + frame(offset, 'delta', {text: answer}) + ended(offset));
  const {client} = await asking({
    [`GET /turns/${TURN}/stream`]: async (_, response) => {
      stream(response);
      for (const byte of sent) {
        response.write(Buffer.from([byte]));
        await LATER();
      }
      response.end();
    },
  });
  const items = await all(client.rejoin(TURN));
  expect(text(items)).toBe(answer);
  expect(told(items)).toEqual(['turn 1:0', `delta ${offset}`, `end ${offset}`]);
});

test('a dropped connection is taken up where it broke, and nothing is lost or repeated', async () => {
  const {client, asked} = await asking({
    'POST /chat/stream': (_, response) => {
      stream(response);
      response.write(opened() + frame('1:3', 'delta', {text: '👍 o'}) + 'id: 1:9\r\nevent: delta\r\ndata: {"te');
      setTimeout(() => response.destroy(), 20);
    },
    [`GET /turns/${TURN}/stream`]: (_, response) => {
      stream(response);
      response.end(opened('1:3') + frame('1:9', 'delta', {text: 'k, so?'}) + ended('1:9'));
    },
  });
  const items = await all(client.ask({message: 'Is it?'}));
  expect(text(items)).toBe('👍 ok, so?');
  expect(told(items)).toEqual(['turn 1:0', 'delta 1:3', 'waiting 1 network', 'turn 1:3', 'delta 1:9', 'end 1:9']);
  expect(asked.at(-1)).toMatchObject({
    method: 'GET',
    headers: {'last-event-id': '1:3', authorization: 'Bearer token-1'},
  });
});

test('a stream that ends early is taken up too', async () => {
  const {client, paths} = await asking({
    'POST /chat/stream': (_, response) => {
      stream(response);
      response.end();
    },
    [`GET /turns/${TURN}/stream`]: (_, response) => {
      stream(response);
      response.end(opened() + ended('1:0'));
    },
  });
  expect(told(await all(client.ask({message: 'Is it?'})))).toEqual(['waiting 1 cut', 'turn 1:0', 'end 1:0']);
  expect(paths().slice(-2)).toEqual(['POST /chat/stream', `GET /turns/${TURN}/stream`]);
});

test('a question is asked once, however often it has to be sent', async () => {
  let times = 0;
  const {client, asked} = await asking({
    'POST /chat/stream': (_, response) => {
      times++;
      if (times === 1) return problem(response, 503, 'overloaded');
      if (times === 2) return void response.destroy();
      stream(response);
      response.end(opened() + ended('1:0'));
    },
  });
  const items = await all(client.ask({message: 'How?'}));
  expect(told(items)).toEqual(['waiting 1 overloaded', 'waiting 2 network', 'turn 1:0', 'end 1:0']);
  const bodies = asked.filter(({path}) => path === '/chat/stream').map(({body}) => body);
  expect(bodies).toEqual([bodies[0], bodies[0], bodies[0]]);
});

test.each([
  [429, 'rate_limited'],
  [503, 'paused'],
])('a question that is refused for now with %i %s is not sent again by itself', async (status, code) => {
  const {client, paths} = await asking({'POST /chat/stream': (_, response) => problem(response, status, code)});
  await expect(all(client.ask({message: 'How?'}))).rejects.toMatchObject({status, code});
  expect(paths().filter((path) => path === 'POST /chat/stream')).toHaveLength(1);
});

test('a server that stays away is a problem in the end', async () => {
  const turn = turnStream(
    {turnId: null, cursor: null},
    () => fetch('http://127.0.0.1:1/').catch(() => Promise.reject(new TypeError('fetch failed'))),
    {now: Date.now, patience: HURRY},
  );
  const items: StreamItem[] = [];
  const read = async () => {
    for await (const item of turn) items.push(item);
  };
  await expect(read()).rejects.toMatchObject({status: 0, code: 'network'});
  expect(told(items)).toEqual(['waiting 1 network', 'waiting 2 network', 'waiting 3 network']);
});

test.each([
  [404, 'thread_unknown'],
  [409, 'turn_running'],
  [413, 'body_too_large'],
  [422, 'selection_blank'],
  [429, 'too_many'],
])('a question refused with %i is not repeated', async (status, code) => {
  const {client, paths} = await asking({
    'POST /chat/stream': (_, response) => problem(response, status, code, {turn_id: 'other', retry_after: 7}),
  });
  await expect(all(client.ask({message: 'How?'}))).rejects.toMatchObject({
    status,
    code,
    detail: `It is ${code}.`,
    turnId: 'other',
    retryAfter: 7,
  });
  expect(paths().filter((path) => path === 'POST /chat/stream').length).toBe(1);
});

test('a turn that is gone ends the reading', async () => {
  const {client} = await asking({
    [`GET /turns/${TURN}/stream`]: (_, response) => problem(response, 404, 'turn_unknown'),
  });
  await expect(all(client.rejoin(TURN))).rejects.toMatchObject({status: 404, code: 'turn_unknown'});
});

test('an error in the stream says whether to come back', async () => {
  let times = 0;
  const {turn} = await hurried((_, response) => {
    times++;
    stream(response);
    response.end(
      opened() + frame(null, 'error', {code: times === 1 ? 'store_unavailable' : 'turn_unknown', retry: times === 1}),
    );
  });
  const items: StreamItem[] = [];
  const read = async () => {
    for await (const item of turn) items.push(item);
  };
  await expect(read()).rejects.toMatchObject({status: 404, code: 'turn_unknown'});
  expect(told(items)).toEqual(['turn 1:0', 'waiting 1 store_unavailable', 'turn 1:0']);
});

test('a known turn is waited for as long as it takes', async () => {
  let times = 0;
  const {turn, asked} = await hurried((_, response) => {
    times++;
    if (times < 9) return void response.destroy();
    stream(response);
    response.end(opened() + ended('1:0'));
  });
  expect(told(await all(turn)).slice(-3)).toEqual(['waiting 8 network', 'turn 1:0', 'end 1:0']);
  expect(asked.length).toBe(9);
});

test('a connection that falls silent is made anew; a ping is no silence', async () => {
  let times = 0;
  const {turn} = await hurried((_, response) => {
    times++;
    stream(response);
    if (times > 1) return void response.end(opened('1:2') + ended('1:2'));
    response.write(opened() + frame('1:2', 'delta', {text: 'Hi'}));
    const ping = setInterval(() => response.write(': ping\r\n\r\n'), 50);
    setTimeout(() => clearInterval(ping), 400);
  });
  const began = Date.now();
  expect(told(await all(turn))).toEqual(['turn 1:0', 'delta 1:2', 'waiting 1 network', 'turn 1:2', 'end 1:2']);
  expect(Date.now() - began).toBeGreaterThan(350);
});

test('a computer that wakes up looks at once whether its connection still speaks', async () => {
  const page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  let asleep = 0;
  let times = 0;
  const server = await serve({
    'GET /': (_, response) => {
      times++;
      stream(response);
      if (times > 1) response.end(opened() + ended('1:0'));
      else response.write(opened());
    },
  });
  const turn = turnStream({turnId: TURN, cursor: null}, (_, signal) => fetch(server.url, {signal}), {
    now: () => Date.now() + asleep,
    patience: {...PATIENCE, shortest: 5},
  });
  const items: StreamItem[] = [];
  for await (const item of turn) {
    items.push(item);
    if (items.length > 1) continue;
    asleep = 60_000;
    setTimeout(() => page.dispatchEvent(new Event('visibilitychange')), 10);
  }
  expect(told(items)).toEqual(['turn 1:0', 'waiting 1 network', 'turn 1:0', 'end 1:0']);
});

test('a network that comes back ends the waiting', async () => {
  const page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  let times = 0;
  const slow = {...HURRY, shortest: 60_000, longest: 60_000};
  const {turn} = await hurried((_, response) => {
    times++;
    if (times === 1) return void response.destroy();
    stream(response);
    response.end(opened() + ended('1:0'));
  }, slow);
  const items: StreamItem[] = [];
  for await (const item of turn) {
    items.push(item);
    if (item.kind === 'waiting') setTimeout(() => page.dispatchEvent(new Event('online')), 10);
  }
  expect(told(items)).toEqual(['waiting 1 network', 'turn 1:0', 'end 1:0']);
});

test('a reset is passed on, and the next cursor is that of the new attempt', async () => {
  let times = 0;
  const {turn, asked} = await hurried((_, response) => {
    times++;
    stream(response);
    if (times === 1) return void response.end(opened() + frame('1:2', 'delta', {text: 'No'}));
    if (times === 2) return void response.end(opened('2:0', true) + frame('2:1', 'delta', {text: 'Y'}));
    response.end(opened('2:1') + frame('2:3', 'delta', {text: 'es'}) + ended('2:3'));
  });
  const items = await all(turn);
  expect(told(items).filter((word) => word.startsWith('waiting'))).toEqual(['waiting 1 cut', 'waiting 1 cut']);
  expect(events(items).flatMap((event) => (event.event === 'turn' ? [event.reset] : []))).toEqual([false, true, false]);
  expect(asked.map(({headers}) => headers['last-event-id'])).toEqual([undefined, '1:2', '2:1']);
});

test('events that nobody knows yet are left out', async () => {
  const {client} = await asking({
    [`GET /turns/${TURN}/stream`]: (_, response) => {
      stream(response);
      const unknown = frame('1:0', 'weather', {sun: true}) + 'event: toString\r\ndata: {}\r\n\r\n' + 'data: {}\r\n\r\n';
      response.end(opened() + unknown + ended('1:0'));
    },
  });
  expect(told(await all(client.rejoin(TURN)))).toEqual(['turn 1:0', 'end 1:0']);
});

async function running(read: (client: Client) => Promise<void>) {
  let left: () => void;
  const gone = new Promise<void>((resolve) => (left = resolve));
  const {client, paths} = await asking({
    [`GET /turns/${TURN}/stream`]: (_, response) => {
      response.on('close', () => left());
      stream(response);
      response.write(opened() + frame('1:2', 'delta', {text: 'Hi'}));
    },
  });
  await read(client);
  await gone;
  expect(paths()).toEqual(['POST /sessions', `GET /turns/${TURN}/stream`]);
}

test('closing a stream ends the reading and the connection, and stops no turn', () =>
  running(async (client) => {
    const turn = client.rejoin(TURN);
    setTimeout(() => turn.close(), 100);
    expect(told(await all(turn))).toEqual(['turn 1:0', 'delta 1:2']);
  }));

test('nothing comes after a stream was closed', () =>
  running(async (client) => {
    const turn = client.rejoin(TURN);
    const items: StreamItem[] = [];
    for await (const item of turn) {
      items.push(item);
      turn.close();
    }
    expect(told(items)).toEqual(['turn 1:0']);
  }));

test('leaving the loop ends the connection', () =>
  running(async (client) => {
    for await (const _ of client.rejoin(TURN)) break;
  }));

test('closing ends the waiting for a server that is away', async () => {
  const {turn} = await hurried((_, response) => void response.destroy(), {...HURRY, shortest: 60_000, longest: 60_000});
  setTimeout(() => turn.close(), 50);
  expect(told(await all(turn))).toEqual(['waiting 1 network']);
});
