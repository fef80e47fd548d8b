// Ties the conversation to the client: asks, follows streams, and shows what other tabs and earlier visits began.

import {useCallback, useEffect, useMemo, useReducer, useRef} from 'react';
import {Problem} from 'docusaurus-plugin-citeside/client';
import type {Client, MessagePage, Quote, StreamItem, TurnStream} from 'docusaurus-plugin-citeside/client';
import {where} from 'docusaurus-plugin-citeside/page/site';
import {conversation, empty, running} from './conversation';
import type {Conversation, Feedback, Trouble, Turn} from './conversation';

export interface Talk {
  state: Conversation;
  ask(text: string, quote: Quote | null): void;
  stop(): void;
  /** Answer the last turn again, or ask a question again that never became one. */
  retry(turn: Turn): void;
  open(threadId: string): Promise<void>;
  startNew(): void;
  rate(turn: Turn, feedback: NonNullable<Feedback>): Promise<void>;
}

let asked = 0;

/**
 * `active` is false until the panel was opened once: before that nothing is asked of the server.
 * `giveBack` gets a question that could not be asked because the thread is still answering another one.
 */
export function useConversation(client: Client, channelName: string, active: boolean, giveBack: (text: string) => void): Talk {
  const [state, dispatch] = useReducer(conversation, empty);
  const latest = useRef(state);
  latest.current = state;
  const reading = useRef<TurnStream | null>(null);
  /** Counts what was shown, so that whatever comes late for an earlier thread is dropped. */
  const visit = useRef(0);
  const stopWanted = useRef(false);
  const channel = useRef<BroadcastChannel | null>(null);

  const leave = useCallback(() => {
    visit.current += 1;
    reading.current?.close();
    reading.current = null;
  }, []);

  /** Show a thread. It does not make it the current one: tabs that follow each other would never come to rest. */
  const show = useCallback(async (threadId: string) => {
    leave();
    dispatch({type: 'loading', threadId});
    const mine = visit.current;
    try {
      const messages = await allMessages(client, threadId);
      if (visit.current !== mine) return;
      dispatch({type: 'listed', threadId, messages});
      const turn = messages.at(-1);
      if (turn?.status === 'running' && !reading.current) void follow(turn.turn_id, client.rejoin(turn.turn_id));
    } catch (error) {
      if (visit.current !== mine || reading.current) return;
      const problem = asTrouble(error);
      if (problem.status === 404 || problem.status === 401) {
        if (client.current.threadId === threadId) client.current.set(null);
        dispatch({type: 'cleared'});
      } else dispatch({type: 'unlisted', problem});
    }
  }, [client]);

  /** Read a turn along; one that is `asked` here makes its thread the current one, in every tab. */
  const follow = useCallback(async (key: string, stream: TurnStream, asked = false) => {
    reading.current?.close();
    reading.current = stream;
    const ours = () => reading.current === stream;
    stopWanted.current = false;
    dispatch({type: 'followed', key});
    const batch = batched<StreamItem>((items) => dispatch({type: 'received', key, items}));
    try {
      for await (const item of stream) {
        if (!ours()) return;
        batch.add(item);
        if (item.kind === 'event' && item.event.event === 'turn') {
          if (asked) {
            client.current.set(item.event.thread_id);
            client.settle();
            channel.current?.postMessage(item.event.thread_id);
          }
          if (stopWanted.current) void client.stop(item.event.turn_id).catch(() => {});
        }
      }
      batch.flush();
    } catch (error) {
      if (!ours()) return;
      batch.flush();
      if (asked) client.settle();
      const problem = asTrouble(error);
      const threadId = latest.current.threadId;
      if (problem.code === 'turn_running' && threadId) {
        const turn = latest.current.turns.find((one) => one.key === key);
        if (turn && turn.turnId === null) giveBack(turn.question.text);
        reading.current = null;
        await show(threadId);
      } else {
        if (problem.code === 'thread_unknown') client.current.set(null);
        dispatch({type: 'failed', key, problem});
      }
    } finally {
      batch.cancel();
      if (ours()) reading.current = null;
    }
  }, [client, show, giveBack]);

  /** Ask what was not asked yet, or again what the page was left with before its turn was known. */
  const begin = useCallback((text: string, quote: Quote | null, stream: TurnStream) => {
    const key = `asked-${++asked}`;
    dispatch({type: 'asked', key, question: {text, quote}});
    void follow(key, stream, true);
  }, [follow]);

  useEffect(() => {
    if (!active) return;
    const unsettled = client.unsettled();
    const first = unsettled ? unsettled.question.threadId : client.current.threadId;
    if (first) void show(first);
    if (unsettled) begin(unsettled.question.message, unsettled.question.quote ?? null, unsettled.stream);
    const along = (threadId: string | null) => {
      if (running(latest.current)) return;
      if (threadId) void show(threadId);
      else dispatch({type: 'cleared'});
    };
    // Another tab went on to another thread: the store tells. It asked in the same one: the channel tells.
    const stored = () => client.current.threadId !== latest.current.threadId && along(client.current.threadId);
    addEventListener('storage', stored);
    if (typeof BroadcastChannel === 'function') {
      channel.current = new BroadcastChannel(channelName);
      channel.current.onmessage = ({data}) => data === latest.current.threadId && along(data);
    }
    return () => {
      removeEventListener('storage', stored);
      channel.current?.close();
      leave();
    };
  }, [active, client, channelName, begin, show, leave]);

  // Apart from the state, so that what is finished is not rendered again with each piece of an answer.
  const actions = useMemo(() => {
    const ask = (text: string, quote: Quote | null) => {
      if (running(latest.current)) return;
      const threadId = latest.current.threadId;
      const question = {message: text, source: quote?.source ?? where(), ...(threadId && {threadId}), ...(quote && {quote})};
      begin(text, quote, client.ask(question));
    };
    return {
      ask,
      stop() {
        const turnId = running(latest.current)?.turnId;
        if (turnId) void client.stop(turnId).catch(() => {});
        else {
          stopWanted.current = true;
          client.settle();
        }
      },
      retry(turn: Turn) {
        if (turn.turnId) void follow(turn.key, client.retry(turn.turnId, turn.answer.attempt), true);
        else ask(turn.question.text, turn.question.quote);
      },
      open(threadId: string) {
        client.settle();
        client.current.set(threadId);
        return show(threadId);
      },
      startNew() {
        leave();
        client.settle();
        client.current.set(null);
        dispatch({type: 'cleared'});
      },
      async rate(turn: Turn, feedback: NonNullable<Feedback>) {
        if (!turn.answer.messageId) return;
        const {rating, reason, note} = feedback;
        await client.feedback(turn.answer.messageId, {rating, ...(reason && {reason}), ...(note && {note})});
        dispatch({type: 'rated', key: turn.key, feedback});
      },
    };
  }, [client, begin, follow, show, leave]);
  return {state, ...actions};
}

async function allMessages(client: Client, threadId: string): Promise<MessagePage['data']> {
  const messages: MessagePage['data'] = [];
  let after: string | undefined;
  do {
    const page = await client.messages(threadId, after);
    messages.push(...page.data);
    after = page.has_more && page.after ? page.after : undefined;
  } while (after);
  return messages;
}

/** Whatever was thrown, as something with a code to tell the reader about. */
export function asTrouble(error: unknown): Trouble {
  if (error instanceof Problem) return error;
  console.error(error);
  return {status: 0, code: 'unknown', detail: String(error)};
}

const EVERY = 33; // ms: two frames; painting a long answer costs more than reading its tokens

/** Collects values and gives them on a few times a second: tokens come faster than anybody reads. */
function batched<T>(give: (values: T[]) => void) {
  let values: T[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const cancel = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const flush = () => {
    cancel();
    const ready = values;
    values = [];
    if (ready.length) give(ready);
  };
  return {
    add(value: T) {
      values.push(value);
      timer ??= setTimeout(flush, EVERY);
    },
    flush,
    cancel,
  };
}
