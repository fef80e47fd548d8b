/** A small HTTP server for the tests of the client: real sockets, and every request noted. */
import {createServer, type IncomingHttpHeaders, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {afterEach} from 'vitest';
import type {Store, StreamEvent, StreamItem, TurnStream} from '../src/client';

export interface Asked {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: unknown;
}

export type Answer = (asked: Asked, response: ServerResponse) => void | Promise<void>;

export const FEATURES = [
  'message',
  'thread_id',
  'client_message_id',
  'selected_text',
  'selected_text_mode',
  'source',
  'selector',
];

export const TURN = 'turn-1';

const open: (() => void)[] = [];
afterEach(() => open.splice(0).forEach((close) => close()));

/** Serves `answers` by method and path, beside a config and sessions whose tokens are `token-1`, `token-2` ... */
export async function serve(
  answers: Record<string, Answer>,
): Promise<{url: string; asked: Asked[]; paths: () => string[]}> {
  const asked: Asked[] = [];
  let sessions = 0;
  const standing: Record<string, Answer> = {
    'GET /config': (_, response) => json(response, 200, {version: '0', features: FEATURES}),
    'POST /sessions': (_, response) => {
      sessions++;
      json(response, 201, {session_id: `session-${sessions}`, token: `token-${sessions}`, expires_at: '2030-01-01'});
    },
  };
  const server = createServer(async (request, response) => {
    response.socket?.setNoDelay(true);
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    const one = {
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      body: body ? (JSON.parse(body) as unknown) : undefined,
    };
    asked.push(one);
    const name = `${one.method} ${one.path.split('?')[0]}`;
    const answer = answers[name] ?? standing[name];
    if (answer) await answer(one, response);
    else problem(response, 404, 'not_found');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const {port} = server.address() as AddressInfo;
  return {url: `http://127.0.0.1:${port}`, asked, paths: () => asked.map(({method, path}) => `${method} ${path}`)};
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(body));
}

export function problem(response: ServerResponse, status: number, code: string, members: object = {}): void {
  response.writeHead(status, {'content-type': 'application/problem+json'});
  response.end(JSON.stringify({type: 'about:blank', title: '', status, code, detail: `It is ${code}.`, ...members}));
}

/** Begins a stream of events. */
export function stream(response: ServerResponse): void {
  response.writeHead(200, {'content-type': 'text/event-stream', 'citeside-turn-id': TURN}).flushHeaders();
}

/** Returns an event as the server writes it. */
export function frame(id: string | null, event: string, data: object): string {
  return `${id === null ? '' : `id: ${id}\r\n`}event: ${event}\r\ndata: ${JSON.stringify(data)}\r\n\r\n`;
}

export const opened = (cursor = '1:0', reset = false): string =>
  frame(cursor, 'turn', {thread_id: 'thread-1', turn_id: TURN, attempt: 1, reset});

export const ended = (cursor: string): string =>
  frame(cursor, 'end', {status: 'completed', length: Number(cursor.split(':')[1])});

/** Reads a stream to its end. */
export async function all(turn: TurnStream): Promise<StreamItem[]> {
  const items: StreamItem[] = [];
  for await (const item of turn) items.push(item);
  return items;
}

export function events(items: StreamItem[]): StreamEvent[] {
  return items.flatMap((item) => (item.kind === 'event' ? [item.event] : []));
}

export function text(items: StreamItem[]): string {
  return events(items)
    .map((event) => (event.event === 'delta' ? event.text : ''))
    .join('');
}

/** Tells events and waits apart in few words, for whole comparisons. */
export function told(items: StreamItem[]): string[] {
  return items.map((item) => {
    if (item.kind === 'event') return `${item.event.event} ${item.cursor}`;
    return `waiting ${item.attempt} ${item.problem?.code ?? 'cut'}`;
  });
}

/** A store of the test's own, and what is kept in it. */
export function memory(): Store & {kept: Map<string, string>} {
  const kept = new Map<string, string>();
  return {
    kept,
    get: (key) => kept.get(key) ?? null,
    set: (key, value) => void kept.set(key, value),
    remove: (key) => void kept.delete(key),
  };
}
