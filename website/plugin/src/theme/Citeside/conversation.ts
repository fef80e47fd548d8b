// A conversation as the panel shows it: a pure reducer over what the server lists and what its streams say.

import {codePoints, utf16} from 'docusaurus-plugin-citeside/client';
import type {ListedAnswer, MessagePage, Quote, StreamEvent, StreamItem, Verdict} from 'docusaurus-plugin-citeside/client';

export type Ended = Extract<StreamEvent, {event: 'end'}>;
export type Step = Extract<StreamEvent, {event: 'status'}>['step'];
export type Passage = Extract<StreamEvent, {event: 'passages'}>['passages'][number];
export type Feedback = ListedAnswer['feedback'];
/** What went wrong, as the panel tells it. */
export interface Trouble {
  status: number;
  code: string;
  detail: string;
  /** Seconds after which to try again. */
  retryAfter?: number | undefined;
}
type Listed = MessagePage['data'][number];
type Stored = Omit<ListedAnswer, 'feedback'>;

export interface Asked {
  text: string;
  quote: Quote | null;
}

/** An answer at any moment of its life; `length` counts the code points of `text`, as cursors do. */
export interface Answer {
  status: ListedAnswer['status'];
  messageId: string | null;
  attempt: number;
  constrained: boolean;
  text: string;
  length: number;
  step: Step | null;
  passages: Passage[];
  verdict: Verdict | null;
  /** The whole stored message: from then on citations, notices and outcome are known. */
  stored: Stored | null;
  feedback: Feedback;
  /** The stream is being joined again; `problem` says why where it is known. */
  waiting: {attempt: number; problem: Trouble | null} | null;
  end: Ended | null;
  /** What kept the turn from being asked, or its stream from being read. */
  problem: Trouble | null;
}

/** A question and its answer. `key` stays the same while the turn gets its id. */
export interface Turn {
  key: string;
  turnId: string | null;
  question: Asked;
  answer: Answer;
}

export interface Conversation {
  threadId: string | null;
  turns: Turn[];
  loading: boolean;
  /** Why the conversation could not be listed. */
  problem: Trouble | null;
}

export type Action =
  | {type: 'cleared'}
  | {type: 'loading'; threadId: string}
  | {type: 'listed'; threadId: string; messages: Listed[]}
  | {type: 'unlisted'; problem: Trouble}
  | {type: 'asked'; key: string; question: Asked}
  | {type: 'followed'; key: string}
  | {type: 'received'; key: string; items: StreamItem[]}
  | {type: 'failed'; key: string; problem: Trouble}
  | {type: 'rated'; key: string; feedback: Feedback};

export const empty: Conversation = {threadId: null, turns: [], loading: false, problem: null};

const unanswered: Answer = {
  status: 'running',
  messageId: null,
  attempt: 1,
  constrained: false,
  text: '',
  length: 0,
  step: null,
  passages: [],
  verdict: null,
  stored: null,
  feedback: null,
  waiting: null,
  end: null,
  problem: null,
};

export function conversation(state: Conversation, action: Action): Conversation {
  switch (action.type) {
    case 'cleared':
      return empty;
    case 'loading':
      return action.threadId === state.threadId
        ? {...state, turns: begun(state.turns).map((turn) => ({...turn, key: turn.turnId!})), loading: true, problem: null}
        : {...empty, threadId: action.threadId, loading: true};
    case 'listed': {
      if (state.threadId && state.threadId !== action.threadId) return state;
      // What was asked while the list was on its way stays below it.
      const own = state.turns.filter((turn) => turn.key !== turn.turnId);
      const before = listed(action.messages).filter((turn) => own.every((one) => one.turnId !== turn.turnId));
      return {...empty, threadId: action.threadId, turns: [...before, ...own]};
    }
    case 'unlisted':
      return {...state, loading: false, problem: action.problem};
    case 'asked': {
      const answer = {...unanswered, constrained: action.question.quote !== null};
      const turn = {key: action.key, turnId: null, question: action.question, answer};
      return {...state, loading: false, problem: null, turns: [...begun(state.turns), turn]};
    }
    case 'followed':
      return withTurn(state, action.key, (turn) => ({
        ...turn,
        answer: {...turn.answer, status: 'running', end: null, problem: null, waiting: null},
      }));
    case 'received':
      return action.items.reduce((before, item) => received(before, action.key, item), state);
    case 'failed': {
      // A thread that is gone, or was another session's, is not asked again: the next question begins a new one.
      const threadId = action.problem.code === 'thread_unknown' ? null : state.threadId;
      return withTurn({...state, threadId}, action.key, (turn) => ({
        ...turn,
        answer: {...turn.answer, status: 'failed', step: null, waiting: null, problem: action.problem},
      }));
    }
    case 'rated':
      return withTurn(state, action.key, (turn) => ({...turn, answer: {...turn.answer, feedback: action.feedback}}));
  }
}

/** The turn that is being answered, if any: a thread has at most one. */
export function running(state: Conversation): Turn | null {
  const last = state.turns.at(-1);
  return last?.answer.status === 'running' ? last : null;
}

/** A question that never became a turn gives way to what comes next. */
function begun(turns: Turn[]): Turn[] {
  return turns.filter((turn) => turn.turnId !== null);
}

function withTurn(state: Conversation, key: string, change: (turn: Turn) => Turn): Conversation {
  return {...state, turns: state.turns.map((turn) => (turn.key === key ? change(turn) : turn))};
}

function received(state: Conversation, key: string, item: StreamItem): Conversation {
  const next = withTurn(state, key, (turn) => {
    if (item.kind === 'waiting') {
      return {...turn, answer: {...turn.answer, waiting: {attempt: item.attempt, problem: item.problem}}};
    }
    const turnId = item.event.event === 'turn' ? item.event.turn_id : turn.turnId;
    return {...turn, turnId, answer: {...applied(turn.answer, item.event, item.cursor), waiting: null}};
  });
  const opened = item.kind === 'event' && item.event.event === 'turn' ? item.event : null;
  if (!opened) return next;
  // A question that joined its turn after a reload may have been listed before.
  const turns = next.turns.filter((turn) => turn.key === key || turn.turnId !== opened.turn_id);
  return {...next, threadId: opened.thread_id, turns};
}

function applied(answer: Answer, event: StreamEvent, cursor: string): Answer {
  switch (event.event) {
    case 'turn': {
      const before = event.reset ? {...unanswered} : answer;
      return {
        ...before,
        status: 'running',
        messageId: event.message_id,
        attempt: event.attempt,
        constrained: event.mode === 'constrained',
      };
    }
    case 'status':
      return {...answer, step: event.step};
    case 'passages':
      return {...answer, passages: event.passages};
    case 'verdict':
      return {...answer, verdict: event.verdict};
    case 'delta':
      return appended(answer, event.text, offset(cursor));
    case 'message':
      return {...answer, ...told(event), status: answer.status};
    case 'end':
      return {...cut(answer, event.length), status: event.status, step: null, end: event};
    default:
      return answer; // A later server may say more.
  }
}

/** Append a piece that ends `end` code points into the text; of what is already there nothing is repeated. */
function appended(answer: Answer, piece: string, end: number): Answer {
  if (end <= answer.length) return answer;
  const start = end - codePoints(piece);
  const kept = start < answer.length ? cut(answer, start).text : answer.text;
  return {...answer, text: kept + piece, length: end};
}

/** Cut back to `length`: text that was shown but never stored is gone when its worker was killed. */
function cut(answer: Answer, length: number): Answer {
  if (answer.length <= length) return answer;
  return {...answer, text: answer.text.slice(0, utf16(answer.text, length)), length};
}

function offset(cursor: string): number {
  return Number(cursor.slice(cursor.indexOf(':') + 1));
}

function told(message: Stored): Partial<Answer> {
  return {
    messageId: message.id,
    attempt: message.attempt,
    constrained: message.mode === 'constrained',
    text: message.content,
    length: codePoints(message.content),
    verdict: message.verdict,
    stored: message,
  };
}

function listed(messages: Listed[]): Turn[] {
  const turns = new Map<string, Turn>();
  for (const message of messages) {
    if (message.role === 'user') {
      const question = {text: message.content, quote: quoted(message)};
      const answer = {...unanswered, constrained: question.quote !== null};
      turns.set(message.turn_id, {key: message.turn_id, turnId: message.turn_id, question, answer});
    } else {
      const turn = turns.get(message.turn_id);
      if (turn) {
        // What a running answer lists is not its text yet: the stream tells it from the beginning.
        turn.answer =
          message.status === 'running'
            ? {...turn.answer, messageId: message.id, attempt: message.attempt}
            : {...turn.answer, ...told(message), status: message.status, feedback: message.feedback};
      }
    }
  }
  return [...turns.values()];
}

/** The quote a stored question was asked about, as it was sent. */
function quoted(message: Extract<Listed, {role: 'user'}>): Quote | null {
  if (!message.selection) return null;
  const {source, selector} = message;
  return {
    text: message.selection.text,
    source: {
      url: source?.url ?? '',
      path: source?.path ?? '',
      title: source?.title ?? '',
      ...(source?.heading_id && {heading_id: source.heading_id}),
      ...(source?.version && {version: source.version}),
      ...(source?.locale && {locale: source.locale}),
    },
    selector:
      selector?.start != null && selector.end != null
        ? {prefix: selector.prefix ?? '', suffix: selector.suffix ?? '', start: selector.start, end: selector.end}
        : null,
  };
}
