// @vitest-environment node
import {expect, test} from 'vitest';
import {createClient, type Quote, type Where} from '../src/client';
import {
  all,
  ended,
  events,
  FEATURES,
  json,
  opened,
  problem,
  serve,
  stream,
  told,
  TURN,
  type Answer,
} from './client.server';

const WHERE: Where = {
  url: 'https://docs.example.com/docs/intro/',
  path: 'docs/intro/',
  title: 'Introduction',
  locale: 'en',
};

async function client(answers: Record<string, Answer>) {
  const server = await serve(answers);
  let kept: string | null = null;
  const store = {
    get: () => kept,
    set: (_: string, value: string) => void (kept = value),
    remove: () => void (kept = null),
  };
  return {...server, client: createClient({apiUrl: `${server.url}/`, store, locks: null})};
}

const nothing: Answer = (_, response) => void response.writeHead(204).end();
const begun: Answer = (_, response) => {
  stream(response);
  response.end(opened() + ended('1:0'));
};

test('a quote is sent with the place where it stands', async () => {
  const {client: asking, asked} = await client({'POST /chat/stream': begun});
  const quote: Quote = {
    text: ' A 👍 is kept.\n',
    source: WHERE,
    selector: {prefix: 'before', suffix: 'after', start: 3, end: 18},
    heading: 'Thumbs',
  };
  await all(asking.ask({message: 'Is it?', quote, source: {...WHERE, path: 'elsewhere'}}));
  expect(asked.at(-1)!.body).toEqual({
    message: 'Is it?',
    client_message_id: expect.any(String),
    selected_text: ' A 👍 is kept.\n',
    selected_text_mode: true,
    source: WHERE,
    selector: {prefix: 'before', suffix: 'after', start: 3, end: 18},
  });
  expect(asked.at(-1)!.headers).toMatchObject({'content-type': 'application/json', authorization: 'Bearer token-1'});
});

test('a question says where the reader is, and nothing that the server does not know', async () => {
  const {client: asking, asked} = await client({
    'POST /chat/stream': begun,
    'GET /config': (_, response) => json(response, 200, {features: FEATURES.filter((name) => name !== 'selector')}),
  });
  const id = expect.any(String);
  await all(asking.ask({message: 'How?', source: WHERE}));
  expect(asked.at(-1)!.body).toEqual({message: 'How?', client_message_id: id, source: WHERE});
  const selector = {prefix: '', suffix: '', start: 0, end: 4};
  await all(asking.ask({message: 'How?', quote: {text: 'Text', source: WHERE, selector}}));
  expect(asked.at(-1)!.body).toEqual({
    message: 'How?',
    client_message_id: id,
    selected_text: 'Text',
    selected_text_mode: true,
    source: WHERE,
  });
});

test('each question is one of its own', async () => {
  const {client: asking, asked} = await client({'POST /chat/stream': begun});
  for (let n = 0; n < 2; n++) await all(asking.ask({message: 'How?'}));
  const ids = asked
    .filter(({path}) => path === '/chat/stream')
    .map(({body}) => (body as {client_message_id: string}).client_message_id);
  expect(new Set(ids).size).toBe(2);
});

test('a follow-up goes into its thread', async () => {
  const {client: asking, asked} = await client({'POST /chat/stream': begun});
  await all(asking.ask({message: 'How?'}));
  await all(asking.ask({message: 'And then?', threadId: 'thread-1'}));
  expect(asked.at(-1)!.body).toMatchObject({thread_id: 'thread-1'});
});

test('what the server can do is asked once it has told', async () => {
  let times = 0;
  const {client: asking, paths} = await client({
    'GET /config': (_, response) => {
      times++;
      if (times === 1) problem(response, 503, 'interrupted', {retry_after: 5});
      else json(response, 200, {features: FEATURES});
    },
  });
  await expect(asking.config()).rejects.toMatchObject({code: 'interrupted', retryAfter: 5});
  const [one, other] = await Promise.all([asking.config(), asking.config()]);
  expect(one).toBe(other);
  expect(paths()).toEqual(['GET /config', 'GET /config']);
});

test('an answer again begins with a reset, also when its stream breaks at once', async () => {
  const {client: asking, asked} = await client({
    [`POST /turns/${TURN}/retry`]: (_, response) => {
      stream(response);
      setTimeout(() => response.destroy(), 20);
    },
    [`GET /turns/${TURN}/stream`]: (_, response) => {
      stream(response);
      response.end(opened('2:0', true) + ended('2:0'));
    },
  });
  const items = await all(asking.retry(TURN, 1));
  expect(told(items)).toEqual(['waiting 1 network', 'turn 2:0', 'end 2:0']);
  expect(events(items)[0]).toMatchObject({event: 'turn', reset: true});
  expect(asked.map(({method, body, headers}) => [method, body, headers['last-event-id']]).slice(1)).toEqual([
    ['POST', {attempt: 1}, undefined],
    ['GET', undefined, '1:0'],
  ]);
});

test('an answer that cannot be given again says why', async () => {
  const {client: asking} = await client({
    [`POST /turns/${TURN}/retry`]: (_, response) => problem(response, 409, 'turn_not_last'),
  });
  await expect(all(asking.retry(TURN, 1))).rejects.toMatchObject({status: 409, code: 'turn_not_last'});
});

test('threads, messages, opinions and searches are one request each', async () => {
  const page = {data: [], has_more: false, after: null};
  const thread = {id: 'thread-1', title: 'How?', running_turn_id: null};
  const found = {passage_id: 'p', text: 'A notebook.'};
  const {client: asking, asked} = await client({
    [`POST /turns/${TURN}/stop`]: (_, response) => json(response, 200, {status: 'cancelled'}),
    'GET /threads': (_, response) => json(response, 200, page),
    'GET /threads/thread-1': (_, response) => json(response, 200, thread),
    'GET /threads/thread-1/messages': (_, response) => json(response, 200, page),
    'PATCH /threads/thread-1': (_, response) => json(response, 200, thread),
    'DELETE /threads/thread-1': nothing,
    'PUT /messages/m/feedback': nothing,
    'GET /search': (_, response) => json(response, 200, {data: [found]}),
  });
  const answers = [
    await asking.stop(TURN),
    await asking.threads(),
    await asking.threads('last'),
    await asking.thread('thread-1'),
    await asking.messages('thread-1'),
    await asking.messages('thread-1', 'last'),
    await asking.rename('thread-1', 'Why?'),
    await asking.removeThread('thread-1'),
    await asking.feedback('m', {rating: 'down', note: 'Old.'}),
    await asking.search('größe & co', {version: 'current'}),
  ];
  expect(answers).toEqual([undefined, page, page, thread, page, page, undefined, undefined, undefined, [found]]);
  expect(asked.slice(1).map(({method, path, body}) => [method, path, body])).toEqual([
    ['POST', `/turns/${TURN}/stop`, undefined],
    ['GET', '/threads', undefined],
    ['GET', '/threads?after=last', undefined],
    ['GET', '/threads/thread-1', undefined],
    ['GET', '/threads/thread-1/messages?limit=100', undefined],
    ['GET', '/threads/thread-1/messages?limit=100&after=last', undefined],
    ['PATCH', '/threads/thread-1', {title: 'Why?'}],
    ['DELETE', '/threads/thread-1', undefined],
    ['PUT', '/messages/m/feedback', {rating: 'down', note: 'Old.'}],
    ['GET', '/search?q=gr%C3%B6%C3%9Fe+%26+co&version=current', undefined],
  ]);
});

test('a page that stands before the server may say what it likes', async () => {
  const {client: asking} = await client({
    'GET /threads': (_, response) => {
      response.writeHead(418, {'content-type': 'text/html', 'retry-after': '30'}).end('<h1>Tea</h1>');
    },
  });
  await expect(asking.threads()).rejects.toMatchObject({
    status: 418,
    code: 'http_error',
    detail: "418 I'm a Teapot",
    retryAfter: 30,
    turnId: undefined,
  });
});

test('a server that is not there is a problem like any other', async () => {
  const asking = createClient({apiUrl: 'http://127.0.0.1:1', locks: null});
  await expect(asking.config()).rejects.toMatchObject({status: 0, code: 'network'});
});
