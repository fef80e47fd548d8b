// How a conversation grows from what the server lists and streams.

import {describe, expect, it} from 'vitest';
import type {ListedAnswer, MessagePage, StreamEvent, StreamItem} from '../src/client';
import {conversation, empty, running} from '../src/theme/Citeside/conversation';
import type {Action, Conversation} from '../src/theme/Citeside/conversation';

const answer: Omit<ListedAnswer, 'feedback'> = {
  id: 'm2', turn_id: 't1', attempt: 1, role: 'assistant', content: '', status: 'completed', mode: 'grounded', label: null,
  outcome: 'answered', notices: [], created_at: '2026-11-23T17:08:00Z', model: 'm', tokens: null, citations: [],
  grounding: {passages: [], unsupported: []}, verdict: null, nearest: [],
};
const question: Extract<MessagePage['data'][number], {role: 'user'}> = {
  id: 'm1', turn_id: 't1', attempt: 1, role: 'user', content: 'How?', status: 'completed', created_at: '2026-11-23T17:07:00Z',
  selection: null, source: null, selector: null,
};

function turn(attempt = 1, reset = false): StreamEvent {
  return {event: 'turn', thread_id: 'th', turn_id: 't1', user_message_id: 'm1', message_id: `a${attempt}`, mode: 'grounded', label: null, attempt, reset};
}
const item = (cursor: string, event: StreamEvent): StreamItem => ({kind: 'event', event, cursor});
const delta = (cursor: string, text: string) => item(cursor, {event: 'delta', text});
const received = (...items: StreamItem[]): Action => ({type: 'received', key: 'k', items});
const after = (...actions: Action[]): Conversation => actions.reduce(conversation, empty);
const asked: Action = {type: 'asked', key: 'k', question: {text: 'How?', quote: null}};
const shown = (state: Conversation) => state.turns.at(-1)!.answer;

describe('an answer that streams', () => {
  it('takes the thread and the turn from its first event', () => {
    const state = after(asked, received(item('1:0', turn())));
    expect([state.threadId, state.turns[0]!.turnId, state.turns[0]!.key]).toEqual(['th', 't1', 'k']);
    expect(running(state)?.key).toBe('k');
  });

  it('joins pieces and counts code points', () => {
    const state = after(asked, received(item('1:0', turn()), delta('1:3', '👍 o'), delta('1:5', 'k🎉')));
    expect([shown(state).text, shown(state).length]).toEqual(['👍 ok🎉', 5]);
  });

  it('repeats nothing of what a rejoined stream tells again', () => {
    const state = after(
      asked,
      received(item('1:0', turn()), delta('1:4', '👍 ok')),
      received(item('1:4', turn()), delta('1:2', '👍 '), delta('1:6', '👍 ok. '.slice(2)), delta('1:8', 'So')),
    );
    expect([shown(state).text, shown(state).length]).toEqual(['👍 ok. So', 8]);
  });

  it('drops its text when another attempt takes over', () => {
    const state = after(asked, received(item('1:0', turn()), delta('1:3', 'old'), item('2:0', turn(2, true)), delta('2:3', 'new')));
    expect([shown(state).text, shown(state).attempt, shown(state).messageId]).toEqual(['new', 2, 'a2']);
  });

  it('is replaced by the stored message', () => {
    const state = after(asked, received(item('1:0', turn()), delta('1:3', 'Hal'), item('1:5', {event: 'message', ...answer, content: 'Hallo'})));
    expect([shown(state).text, shown(state).length, shown(state).status]).toEqual(['Hallo', 5, 'running']);
  });

  it('is cut back to what was stored, and tells how it ended', () => {
    const end: StreamEvent = {event: 'end', status: 'interrupted', length: 2, code: 'interrupted', retry: true};
    const state = after(asked, received(item('1:0', turn()), delta('1:5', '👍 lost'), item('1:2', end)));
    expect([shown(state).text, shown(state).status, shown(state).end?.retry]).toEqual(['👍 ', 'interrupted', true]);
    expect(running(state)).toBeNull();
  });

  it('says that it connects again until the next event', () => {
    const waiting = received(item('1:0', turn()), {kind: 'waiting', attempt: 2, problem: null});
    expect(shown(after(asked, waiting)).waiting).toEqual({attempt: 2, problem: null});
    expect(shown(after(asked, waiting, received(delta('1:1', 'A')))).waiting).toBeNull();
  });

  it('keeps the last of two verdicts', () => {
    const verdict = (kind: 'sufficient' | 'insufficient'): StreamEvent => ({event: 'verdict', verdict: {verdict: kind, used: [], missing: [], widen: []}});
    const state = after(asked, received(item('1:0', turn()), item('1:0', verdict('sufficient')), item('1:0', verdict('insufficient'))));
    expect(shown(state).verdict?.verdict).toBe('insufficient');
  });

  it('ignores events that only a later server knows', () => {
    const unknown = {event: 'weather', text: 'rain'} as unknown as StreamEvent;
    expect(shown(after(asked, received(item('1:0', turn()), item('1:0', unknown)))).text).toBe('');
  });
});

describe('a thread that is listed', () => {
  it('pairs questions and answers', () => {
    const state = after({type: 'listed', threadId: 'th', messages: [question, {...answer, content: 'So.', feedback: null}]});
    expect(state.turns.map((one) => [one.key, one.question.text, one.answer.text, one.answer.status])).toEqual([['t1', 'How?', 'So.', 'completed']]);
  });

  it('begins a running answer empty, for its stream tells all of it', () => {
    const messages = [question, {...answer, content: 'So', status: 'running' as const, feedback: null}];
    const state = after({type: 'listed', threadId: 'th', messages}, {type: 'received', key: 't1', items: [item('1:0', turn()), delta('1:3', 'So.')]});
    expect([shown(state).text, running(state)?.turnId]).toEqual(['So.', 't1']);
  });

  it('gives back the quote as it was sent', () => {
    const quoted = {
      ...question,
      selection: {text: '👍'},
      source: {url: 'u', path: 'p', title: 't', heading_id: null, version: '1.0', locale: null},
      selector: {prefix: 'a', suffix: 'b', start: 1, end: 2},
    };
    expect(after({type: 'listed', threadId: 'th', messages: [quoted]}).turns[0]!.question.quote).toEqual({
      text: '👍',
      source: {url: 'u', path: 'p', title: 't', version: '1.0'},
      selector: {prefix: 'a', suffix: 'b', start: 1, end: 2},
    });
  });
});

it('a question that never became a turn gives way to the next', () => {
  const problem = {status: 503, code: 'overloaded', detail: ''};
  const state = after(asked, {type: 'failed', key: 'k', problem}, {type: 'asked', key: 'k2', question: {text: 'Again?', quote: null}});
  expect(state.turns.map((one) => one.key)).toEqual(['k2']);
});

it('begins a new thread when the one it asked in is gone', () => {
  const problem = {status: 404, code: 'thread_unknown', detail: ''};
  const state = after(asked, received(item('1:0', turn())), {...asked, key: 'k2'}, {type: 'failed', key: 'k2', problem});
  expect([state.threadId, state.turns.length]).toEqual([null, 2]);
});
