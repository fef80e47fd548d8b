/** The calls that a front end makes: the whole of the server's HTTP contract that a reader needs. */

import {Problem, problemOf, unanswered} from './problem';
import {browserStore, keptSession, type Store} from './session';
import {turnStream, type Connect, type TurnStream} from './stream';
import {keptQuestion, tabStore} from './unstarted';
import type {
  ChatRequest,
  Config,
  FoundPassage,
  MessagePage,
  SearchAnswer,
  SessionGiven,
  Thread,
  ThreadPage,
} from './wire';

/** A place in the docs: the page, and the heading above. */
export interface Where {
  url: string;
  path: string;
  title: string;
  heading_id?: string;
  version?: string;
  locale?: string;
}

/** Text that the reader marked, and where it stands; `start` and `end` count code points. */
export interface Quote {
  text: string;
  source: Where;
  selector: {prefix: string; suffix: string; start: number; end: number} | null;
  heading?: string;
}

/** What is asked. With a quote the answer rests on that text alone. */
export interface Question {
  message: string;
  threadId?: string;
  quote?: Quote;
  source?: Where;
}

export interface Client {
  /** What the server can do; asked once. */
  config(): Promise<Config>;
  /** Asks when it is iterated. However often that has to be repeated, the question is asked once. */
  ask(question: Question): TurnStream;
  /**
   * The question that this tab asked last, if it is not settled: after a reload its stream asks it again, which joins
   * the turn that it began. Never in another session, where it would be asked a second time.
   */
  unsettled(): {question: Question; stream: TurnStream} | null;
  /** Says that the last question needs no asking again: its turn is known, it failed, or the reader gave it up. */
  settle(): void;
  /** Reads a turn along, from its beginning. */
  rejoin(turnId: string): TurnStream;
  /** Has the last question of a thread answered anew, in place of its answer of `attempt`. */
  retry(turnId: string, attempt: number): TurnStream;
  /** Ends a turn, and keeps what it wrote. */
  stop(turnId: string): Promise<void>;
  /** Lists the reader's threads, the newest first. */
  threads(after?: string): Promise<ThreadPage>;
  thread(id: string): Promise<Thread>;
  /** Lists the messages of a thread, the oldest first, up to a hundred at a time. */
  messages(threadId: string, after?: string): Promise<MessagePage>;
  rename(threadId: string, title: string): Promise<void>;
  removeThread(threadId: string): Promise<void>;
  feedback(messageId: string, opinion: {rating: 'up' | 'down'; reason?: string; note?: string}): Promise<void>;
  /** Sends what others made, in the reader's session; the answer may be an error. */
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Finds passages without asking a model. */
  search(q: string, scope: {version?: string; locale?: string}): Promise<FoundPassage[]>;
  /** Erases everything of this reader, here and on the server. */
  forget(): Promise<void>;
  /** The thread that is shown, in every tab. */
  current: {get threadId(): string | null; set(id: string | null): void};
}

interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** Sent as JSON; it may depend on whose session it is sent in. */
  body?: object | ((token: string) => object);
  lastEventId?: string | null;
  signal?: AbortSignal;
}

export function createClient(options: {
  apiUrl: string;
  store?: Store;
  /** Where this tab alone keeps its question over a reload. */
  tab?: Store;
  fetch?: typeof fetch;
  /** Gets what a server that asks for it takes as proof that the reader is no robot, such as a token of Turnstile. */
  proof?: () => Promise<string> | undefined;
  locks?: LockManager | null;
  now?: () => number;
}): Client {
  const apiUrl = options.apiUrl.replace(/\/+$/, '');
  const fetched = options.fetch ?? globalThis.fetch.bind(globalThis);
  const now = options.now ?? Date.now;
  const session = keptSession({
    apiUrl,
    store: options.store ?? browserStore(),
    locks: options.locks === undefined ? (globalThis.navigator?.locks ?? null) : options.locks,
    mint: async () => {
      const proof = await options.proof?.();
      return request({method: 'POST', path: '/sessions', body: proof ? {proof} : {}}).then(read<SessionGiven>);
    },
  });
  const unstarted = keptQuestion(options.tab ?? tabStore(), `citeside:${apiUrl}:asked`);
  let configured: Promise<Config> | null = null;

  async function request({method, path, body, lastEventId, signal}: Call, token = ''): Promise<Response> {
    const headers: Record<string, string> = {};
    if (token) headers.authorization = `Bearer ${token}`;
    if (body) headers['content-type'] = 'application/json';
    if (lastEventId) headers['last-event-id'] = lastEventId;
    const init: RequestInit = {method, headers, credentials: 'omit'};
    if (body) init.body = JSON.stringify(typeof body === 'function' ? body(token) : body);
    if (signal) init.signal = signal;
    const response = await fetched(apiUrl + path, init).catch((error: unknown) => {
      throw unanswered(error);
    });
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  /** Sends a request in the reader's session, and once more in a new one when the server no longer knows it. */
  async function send(call: Call): Promise<Response> {
    const token = await session.token();
    try {
      return await request(call, token);
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401)) throw error;
      return request(call, await session.token(token));
    }
  }

  function get<T>(path: string, query: Record<string, string | undefined> = {}): Promise<T> {
    const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
    const search = given.length ? `?${new URLSearchParams(given)}` : '';
    return send({method: 'GET', path: path + search}).then(read<T>);
  }

  /** Sends a request whose answer says nothing more than that it was done. */
  async function act(method: Call['method'], path: string, body?: object): Promise<void> {
    await send(body ? {method, path, body} : {method, path});
  }

  function config(): Promise<Config> {
    configured ??= request({method: 'GET', path: '/config'})
      .then(read<Config>)
      .catch((error: unknown) => {
        configured = null;
        throw error;
      });
    return configured;
  }

  const follow: Connect = ({turnId, cursor}, signal) =>
    send({method: 'GET', path: `/turns/${turnId}/stream`, lastEventId: cursor, signal});

  /** Sends what begins a turn for as long as it is not known, then follows the turn. */
  const begin = (call: () => Call | Promise<Call>): Connect => {
    return async (place, signal) => (place.turnId ? follow(place, signal) : send({...(await call()), signal}));
  };

  function asking({threadId, ...question}: Question, id: string): TurnStream {
    const asker = session.stored();
    const asked = chatRequest(question, id);
    const connect = begin(async () => {
      const {features} = await config();
      const body = (token: string): object => {
        // A thread is of one session: asked in another one, the question begins a new thread.
        const inThread = token === asker && threadId ? {threadId} : {};
        if (unstarted.get()?.id === id) unstarted.set({question: {...question, ...inThread}, id, token});
        return only(features, {...asked, thread_id: inThread.threadId});
      };
      return {method: 'POST', path: '/chat/stream', body};
    });
    return turnStream({turnId: null, cursor: null}, connect, {now});
  }

  return {
    config,
    ask(question) {
      const id = uuid();
      unstarted.set({question, id, token: null});
      return asking(question, id);
    },
    unsettled() {
      const kept = unstarted.get();
      const sentElsewhere = kept !== null && kept.token !== null && kept.token !== session.stored();
      if (sentElsewhere) unstarted.drop(); // where it was erased, nothing of it stays here either
      return kept && !sentElsewhere ? {question: kept.question, stream: asking(kept.question, kept.id)} : null;
    },
    settle: () => unstarted.drop(),
    rejoin: (turnId) => turnStream({turnId, cursor: null}, follow, {now}),
    retry(turnId, attempt) {
      const connect = begin(() => ({method: 'POST', path: `/turns/${turnId}/retry`, body: {attempt}}));
      // With the cursor of the attempt to be replaced the stream begins with a reset, also when it is rejoined.
      return turnStream({turnId: null, cursor: `${attempt}:0`}, connect, {now});
    },
    stop: (turnId) => act('POST', `/turns/${turnId}/stop`),
    threads: (after) => get('/threads', {after}),
    thread: (id) => get(`/threads/${id}`),
    messages: (threadId, after) => get(`/threads/${threadId}/messages`, {limit: '100', after}),
    rename: (threadId, title) => act('PATCH', `/threads/${threadId}`, {title}),
    removeThread: (threadId) => act('DELETE', `/threads/${threadId}`),
    feedback: (messageId, opinion) => act('PUT', `/messages/${messageId}/feedback`, opinion),
    async fetch(url, init) {
      const as = (token: string): RequestInit => {
        const headers = new Headers(init.headers);
        headers.set('authorization', `Bearer ${token}`);
        return {...init, headers, credentials: 'omit'};
      };
      const token = await session.token();
      const response = await fetched(url, as(token));
      return response.status === 401 ? fetched(url, as(await session.token(token))) : response;
    },
    search: (q, {version, locale}) => get<SearchAnswer>('/search', {q, version, locale}).then(({data}) => data),
    async forget() {
      const token = session.stored();
      if (token) {
        await request({method: 'DELETE', path: '/sessions/me'}, token).catch((error: unknown) => {
          if (!(error instanceof Problem && error.status === 401)) throw error; // else it is gone already
        });
      }
      session.drop();
      unstarted.drop();
    },
    current: {
      get threadId() {
        return session.threadId;
      },
      set(id) {
        session.threadId = id;
      },
    },
  };
}

async function read<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (error) {
    throw unanswered(error);
  }
}

function chatRequest({message, quote, source}: Question, id: string): ChatRequest {
  const request: ChatRequest = {message, client_message_id: id};
  const at = quote?.source ?? source;
  if (at) request.source = at;
  if (quote) {
    request.selected_text = quote.text;
    request.selected_text_mode = true;
    if (quote.selector) request.selector = quote.selector;
  }
  return request;
}

/** Returns the fields that the server knows. */
function only(features: string[], body: object): object {
  return Object.fromEntries(Object.entries(body).filter(([field]) => features.includes(field)));
}

/** Returns a random UUID; `crypto.randomUUID` is missing on pages without https. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
