// @vitest-environment jsdom
// The panel with a client that is played by hand: asking, streaming, stopping, reloading, widening.

import {act} from 'react';
import {afterEach, beforeAll, beforeEach, expect, it, vi} from 'vitest';
import type {Client, ListedAnswer, MessagePage, Quote, StreamEvent, StreamItem, TurnStream} from '../src/client';
import {Problem} from '../src/client';
import type {PanelHandle} from '../src/page/panel';

const page = vi.hoisted(() => ({
  client: null as unknown,
  reveal: vi.fn(async () => true),
  mark: vi.fn(),
  section: vi.fn(),
}));
vi.mock('../src/client', async (original) => ({...(await original<object>()), createClient: () => page.client, browserStore: () => null}));
vi.mock('../src/theme/Citeside/labels', async () => ({
  label: (name: string, values?: object) => [name, ...Object.values(values ?? {})].join(' '),
  sentence: (code: string) => `sentence of ${code}`,
  disclosure: ({detail}: {detail: string}) => detail,
}));
vi.mock('../src/page/site', () => ({
  options: () => ({apiUrl: 'http://api', starters: ['How to begin?'], labels: {}}),
  where: () => ({url: 'u', path: 'docs/', title: 't', locale: 'en'}),
  visit: vi.fn(),
}));
vi.mock('../src/page/passage', () => ({
  reveal: page.reveal, revealWanted: vi.fn(), mark: page.mark, clearMarks: vi.fn(), shareLink: () => '', section: page.section, pageText: () => ({...quote, text: 'x'.repeat(20_001)}),
}));

const quote: Quote = {text: 'A notebook holds pages.', source: {url: 'u', path: 'docs/', title: 't'}, selector: null};

/** A stream whose items the test gives. */
class Played implements TurnStream {
  closed = false;
  private items: (StreamItem | Error | null)[] = [];
  private wake = () => {};
  give(...items: (StreamItem | Error | null)[]) {
    this.items.push(...items);
    this.wake();
  }
  close() {
    this.closed = true;
    this.give(null);
  }
  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (!this.items.length) await new Promise<void>((resolve) => (this.wake = resolve));
      const item = this.items.shift()!;
      if (item === null) return;
      if (item instanceof Error) throw item;
      yield item;
    }
  }
}

function play() {
  const streams: Played[] = [];
  const stream = () => (streams.push(new Played()), streams.at(-1)!);
  let threadId: string | null = null;
  const client = {
    config: vi.fn(async () => ({version: '1', features: [], limits: {message: 30, selected_text: 20_000, metadata: 1, body: 1, turns_per_minute: 10, turns_per_hour: 60}, model: 'm', disclosures: [], retention_days: 0})),
    ask: vi.fn(stream),
    unsettled: vi.fn((): ReturnType<Client['unsettled']> => null),
    settle: vi.fn(),
    rejoin: vi.fn(stream),
    retry: vi.fn(stream),
    stop: vi.fn(async () => {}),
    threads: vi.fn(async () => ({data: [], has_more: false, after: null})),
    messages: vi.fn(async (): Promise<MessagePage> => ({data: [], has_more: false, after: null})),
    feedback: vi.fn(async () => {}),
    search: vi.fn(async () => [{passage_id: 'p', url: 'https://docs/x/', path: 'x/', title: 'Found page', heading: '', text: '', score: 1, coverage: 1}]),
    forget: vi.fn(async () => {}),
    current: {get threadId() { return threadId; }, set: (id: string | null) => void (threadId = id)},
  };
  page.client = client as unknown as Client;
  return {client, streams};
}

const item = (cursor: string, event: StreamEvent): StreamItem => ({kind: 'event', event, cursor});
const turn = (attempt = 1, reset = false) =>
  item(`${attempt}:0`, {event: 'turn', thread_id: 'th', turn_id: 't1', user_message_id: 'm1', message_id: 'm2', mode: 'grounded', label: null, attempt, reset});
const delta = (cursor: string, text: string) => item(cursor, {event: 'delta', text});
const end = (length: number, more: object = {}) => item(`1:${length}`, {event: 'end', status: 'completed', length, ...more});
const stored: Omit<ListedAnswer, 'feedback'> = {
  id: 'm2', turn_id: 't1', attempt: 1, role: 'assistant', content: '', status: 'completed', mode: 'grounded', label: null, outcome: 'answered',
  notices: [], created_at: '', model: 'm', tokens: null, citations: [], grounding: {passages: [], unsupported: []}, verdict: null, nearest: [],
};

let panel: PanelHandle;
let host: HTMLElement;
const onClose = vi.fn();
const settle = () => act(async () => void (await new Promise((resolve) => setTimeout(resolve, 60))));
const button = (name: string) => [...host.querySelectorAll('button')].find((one) => (one.getAttribute('aria-label') ?? one.textContent ?? '').startsWith(name));
const click = async (name: string) => {
  await act(async () => button(name)!.click());
  await settle();
};
const box = () => host.querySelector('textarea')!;
const answer = () => host.querySelector('article')!.textContent;
const status = () => host.querySelector('.citeside-step')!.textContent;

async function type(text: string) {
  await act(async () => {
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')!.set!.call(box(), text);
    box().dispatchEvent(new Event('input', {bubbles: true}));
  });
}
async function press(key: string, more: KeyboardEventInit = {}) {
  await act(async () => void (document.activeElement ?? box()).dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true, ...more})));
  await settle();
}

async function mounted() {
  const {default: mount} = await import('../src/theme/Citeside');
  host = document.createElement('div');
  document.body.append(host);
  await act(async () => void (panel = mount(host, {onClose})));
}
async function opened(request?: Parameters<PanelHandle['open']>[0]) {
  await mounted();
  await act(async () => panel.open(request));
  await settle();
}

beforeAll(() => {
  (globalThis as {IS_REACT_ACT_ENVIRONMENT?: boolean}).IS_REACT_ACT_ENVIRONMENT = true;
});
beforeEach(() => vi.clearAllMocks());
afterEach(() => document.body.replaceChildren());

it('asks the server nothing before it is opened', async () => {
  const {client} = play();
  await mounted();
  await settle();
  expect([client.config.mock.calls.length, panel.isOpen()]).toEqual([0, false]);
});

it('asks with Enter, streams the answer and completes it', async () => {
  const {client, streams} = play();
  await opened();
  expect(document.activeElement).toBe(box());
  await type('How many?');
  await press('Enter');
  expect(client.ask).toHaveBeenCalledWith({message: 'How many?', source: {url: 'u', path: 'docs/', title: 't', locale: 'en'}});
  expect([box().value, button('stop') !== undefined]).toEqual(['', true]);
  streams[0]!.give(turn(), item('1:0', {event: 'status', step: 'retrieving'}));
  await settle();
  expect(status()).toBe('retrieving');
  streams[0]!.give(delta('1:4', '👍 So'));
  await settle();
  expect(answer()).toContain('👍 So');
  streams[0]!.give(delta('1:5', '.'), item('1:5', {event: 'message', ...stored, content: '👍 So.'}), end(5), null);
  await settle();
  expect([button('stop'), button('copyAnswer') !== undefined, client.current.threadId, status()]).toEqual([undefined, true, 'th', '']);
});

it('writes a line with Shift+Enter, and sends nothing while a word is composed or too long', async () => {
  const {client} = play();
  await opened();
  await type('word');
  await press('Enter', {shiftKey: true});
  await press('Enter', {isComposing: true});
  await type('👍'.repeat(31));
  await press('Enter');
  expect(client.ask).not.toHaveBeenCalled();
});

it('fills in a draft and never sends it', async () => {
  const {client} = play();
  await opened({draft: 'From a link?'});
  expect([box().value, client.ask.mock.calls.length]).toEqual(['From a link?', 0]);
});

it('stops a turn, even when it was asked to before the turn has an id', async () => {
  const {client, streams} = play();
  await opened();
  await click('How to begin?');
  await click('stop');
  expect(client.stop).not.toHaveBeenCalled();
  streams[0]!.give(turn());
  await settle();
  expect(client.stop).toHaveBeenCalledWith('t1');
});

it('goes on with a running answer after a reload', async () => {
  const {client, streams} = play();
  client.current.set('th');
  const asked = {id: 'm1', turn_id: 't1', attempt: 1, role: 'user' as const, content: 'How?', status: 'completed' as const, created_at: '', selection: null, source: null, selector: null};
  client.messages.mockResolvedValue({data: [asked, {...stored, status: 'running', feedback: null}], has_more: false, after: null});
  await opened();
  expect(client.rejoin).toHaveBeenCalledWith('t1');
  streams[0]!.give(turn(), delta('1:5', 'Whole'), item('1:5', {event: 'message', ...stored, content: 'Whole'}), end(5), null);
  await settle();
  expect([answer()?.includes('Whole'), host.querySelectorAll('article').length, button('stop')]).toEqual([true, 1, undefined]);
});

const listed = (id: string, content: string): MessagePage['data'][number] => ({
  id: `of-${id}`, turn_id: id, attempt: 1, role: 'user', content, status: 'completed', created_at: '', selection: null, source: null, selector: null,
});
const questions = () => [...host.querySelectorAll('.citeside-question p')].map((one) => one.textContent);

it('answers what is asked while the conversation is still being listed, below what comes late', async () => {
  const {client, streams} = play();
  client.current.set('th');
  let arrive = (_: MessagePage) => {};
  client.messages.mockReturnValue(new Promise<MessagePage>((resolve) => (arrive = resolve)));
  await opened();
  expect(host.textContent).toContain('loading');
  await type('And now?');
  await press('Enter');
  expect([host.querySelector('.citeside-log')!.textContent!.includes('loading'), questions()]).toEqual([false, ['And now?']]);
  arrive({data: [listed('t0', 'Before?'), {...stored, turn_id: 't0', content: 'Then.', feedback: null}, listed('t1', 'And now?')], has_more: false, after: null});
  await settle();
  streams[0]!.give(turn(), delta('1:4', 'Now.'), end(4), null);
  await settle();
  expect([questions(), answer(), streams.length]).toEqual([['Before?', 'And now?'], expect.stringContaining('Then.'), 1]);
  expect([...host.querySelectorAll('article')].at(-1)!.textContent).toContain('Now.');
});

it('follows another tab without claiming its conversation, so that two tabs come to rest', async () => {
  const {client, streams} = play();
  const claim = vi.spyOn(client.current, 'set');
  client.current.set('mine');
  await opened();
  client.current.set('theirs');
  claim.mockClear();
  client.messages.mockResolvedValue({data: [listed('t1', 'Theirs?'), {...stored, status: 'running', feedback: null}], has_more: false, after: null});
  await act(async () => void dispatchEvent(new Event('storage')));
  await settle();
  streams[0]!.give(turn(), delta('1:3', 'So.'), end(3), null);
  await settle();
  expect([client.messages.mock.lastCall, questions(), claim.mock.calls]).toEqual([['theirs', undefined], ['Theirs?'], []]);
});

it('asks again what was not known to be a turn when the page was left, and lists it once', async () => {
  const {client, streams} = play();
  client.current.set('elsewhere');
  client.unsettled.mockImplementation(() => ({question: {message: 'How?', threadId: 'th', quote}, stream: client.ask()}));
  client.messages.mockResolvedValue({data: [listed('t1', 'How?'), {...stored, status: 'running', feedback: null}], has_more: false, after: null});
  await opened();
  expect([client.messages.mock.lastCall, client.rejoin.mock.calls, client.settle.mock.calls]).toEqual([['th', undefined], [], []]);
  streams[0]!.give(turn(), delta('1:3', 'So.'), end(3), null);
  await settle();
  expect([questions(), client.current.threadId, client.settle.mock.calls.length]).toEqual([['How?'], 'th', 1]);
});

it('asks nothing again that was stopped, failed or left', async () => {
  const {client, streams} = play();
  await opened();
  await click('How to begin?');
  await click('stop');
  expect(client.settle).toHaveBeenCalledTimes(1);
  streams[0]!.give(new Problem({status: 429, code: 'rate_limited', detail: ''}));
  await settle();
  expect(client.settle).toHaveBeenCalledTimes(2);
  await click('newConversation');
  expect(client.settle).toHaveBeenCalledTimes(3);
});

it('joins a turn that is running already and gives the question back', async () => {
  const {client, streams} = play();
  client.current.set('th');
  await opened();
  client.messages.mockResolvedValue({data: [], has_more: false, after: null});
  await type('Next?');
  await press('Enter');
  streams[0]!.give(new Problem({status: 409, code: 'turn_running', detail: '', turnId: 't1'}));
  await settle();
  expect([box().value, status(), client.messages.mock.calls.length]).toEqual(['Next?', 'sentence of turn_running', 2]);
});

it('says what went wrong, searches instead, and asks again', async () => {
  const {client, streams} = play();
  await opened();
  await click('How to begin?');
  streams[0]!.give(new Problem({status: 503, code: 'model_unavailable', detail: ''}));
  await settle();
  expect(host.querySelector('[role=alert]')!.textContent).toBe('sentence of model_unavailable');
  await click('searchInstead');
  expect(host.querySelector('.citeside-found a')!.textContent).toBe('Found page');
  await click('tryAgain');
  expect([client.ask.mock.calls.length, host.querySelectorAll('article').length]).toEqual([2, 1]);
});

it.each([
  ['rate_limited', 42, 'tryAgainIn 42'],
  ['rate_limited_address', 119, 'tryAgainIn 119'],
  ['too_many_running', 5, 'tryAgainIn 5'],
  ['budget_exhausted', 50_000, 'tryAgainInHours 14'],
  ['paused', 180, 'tryAgainInMinutes 3'],
])('keeps a question that is refused for %s, says when to try again, and searches meanwhile', async (code, retryAfter, wait) => {
  const {streams} = play();
  await opened();
  await click('How to begin?');
  streams[0]!.give(new Problem({status: code === 'paused' ? 503 : 429, code, detail: '', retryAfter}));
  await settle();
  expect([questions(), host.querySelector('[role=alert]')!.textContent]).toEqual([['How to begin?'], `sentence of ${code}`]);
  expect([button('tryAgainIn')!.textContent, button('tryAgainIn')!.disabled]).toEqual([wait, true]);
  await click('searchInstead');
  expect(host.querySelector('.citeside-found a')!.textContent).toBe('Found page');
});

it('asks a refused question again when the time has come', async () => {
  const {client, streams} = play();
  await opened();
  await click('How to begin?');
  streams[0]!.give(new Problem({status: 429, code: 'rate_limited', detail: '', retryAfter: 1}));
  await settle();
  await vi.waitFor(() => expect(button('tryAgain')!.disabled).toBe(false), {timeout: 5000});
  await click('tryAgain');
  expect([client.ask.mock.calls.length, questions()]).toEqual([2, ['How to begin?']]);
});

it('answers a failed turn again, with the attempt it replaces', async () => {
  const {client, streams} = play();
  await opened();
  await click('How to begin?');
  streams[0]!.give(turn(), delta('1:3', 'Ha?'), end(3, {status: 'failed', code: 'model_failed', retry: true}), null);
  await settle();
  await click('tryAgain');
  expect(client.retry).toHaveBeenCalledWith('t1', 1);
  streams[1]!.give(turn(2, true), delta('2:3', 'New'));
  await settle();
  expect([answer()?.includes('New'), answer()?.includes('Ha?')]).toEqual([true, false]);
});

it('keeps the quote for follow-ups, tells what is missing, and widens', async () => {
  const {client, streams} = play();
  page.section.mockReturnValue({...quote, text: 'The whole section.'});
  await opened({quote});
  await type('How many?');
  await press('Enter');
  expect(client.ask).toHaveBeenLastCalledWith({message: 'How many?', source: quote.source, quote});
  const verdict = {verdict: 'insufficient' as const, used: [{start: 0, end: 4}], missing: [{what: 'a number', why: 'none', minimal_text: 'a sentence'}], widen: ['section' as const, 'page' as const, 'docs' as const]};
  const content = 'Answer constrained to provided text.\n\nNo.';
  streams[0]!.give(turn(), delta('1:41', content), item('1:41', {event: 'message', ...stored, mode: 'constrained', label: 'Answer constrained to provided text.', content, verdict}), end(41), null);
  await settle();
  expect(answer()!.split('Answer constrained to provided text.').length).toBe(2);
  expect(host.querySelector('.citeside-verdict')!.textContent).toContain('minimalText a sentence');
  expect(page.mark).toHaveBeenCalledWith(quote, verdict.used);
  expect([host.querySelector('[aria-label=quote]') !== null, button('usePage')!.disabled]).toEqual([true, true]);
  await click('useSection');
  expect(client.ask).toHaveBeenLastCalledWith({message: 'How many?', threadId: 'th', source: quote.source, quote: {...quote, text: 'The whole section.'}});
  streams[1]!.give(turn(), item('1:0', {event: 'message', ...stored, content, mode: 'constrained', verdict}), end(41), null);
  await settle();
  await click('searchAll');
  expect(client.ask.mock.lastCall).toEqual([{message: 'How many?', threadId: 'th', source: {url: 'u', path: 'docs/', title: 't', locale: 'en'}}]);
  expect(host.querySelector('[aria-label=quote]')).toBeNull();
});

it.each([[true, 0], [false, 1]])('marks in the page what an answer used, unless the server replaced words of the quote (%s)', async (replaced, marked) => {
  const {client, streams} = play();
  const config = await client.config();
  const disclosures: {code: string; detail: string}[] = config.disclosures;
  disclosures.push({code: 'scrubbed', detail: 'Names are replaced.'});
  client.config.mockResolvedValue(config);
  page.mark.mockClear();
  await opened({quote});
  await type('How many?');
  await press('Enter');
  const verdict = {verdict: 'sufficient' as const, used: [{start: 0, end: 4}], missing: [], widen: []};
  const notices = replaced ? [{code: 'scrubbed', detail: ''}] : [];
  streams[0]!.give(turn(), item('1:0', {event: 'verdict', verdict}));
  await settle();
  expect(page.mark).not.toHaveBeenCalled();
  streams[0]!.give(item('1:2', {event: 'message', ...stored, mode: 'constrained', content: 'So', verdict, notices}), end(2), null);
  await settle();
  expect(page.mark).toHaveBeenCalledTimes(marked);
});

it('sends feedback with a reason', async () => {
  const {client, streams} = play();
  await opened();
  await click('How to begin?');
  streams[0]!.give(turn(), delta('1:2', 'So'), item('1:2', {event: 'message', ...stored, content: 'So'}), end(2), null);
  await settle();
  await click('notHelpful');
  await act(async () => host.querySelector<HTMLInputElement>('input[value=reasonWrong]')!.click());
  await click('sendFeedback');
  expect(client.feedback.mock.calls).toEqual([['m2', {rating: 'down'}], ['m2', {rating: 'down', reason: 'reasonWrong'}]]);
});

it('shows a cited sentence in the page; Esc closes its card before the panel', async () => {
  const {streams} = play();
  await opened();
  await click('How to begin?');
  const citation = {marker: 1, at: 3, passage_id: 'p', url: 'https://docs/x/', path: 'x/', title: 'X', heading: '', quote: 'So it is.', start: 0, end: 9};
  streams[0]!.give(turn(), delta('1:6', 'So [1]'), item('1:6', {event: 'message', ...stored, content: 'So [1]', citations: [citation]}), end(6), null);
  await settle();
  const marker = host.querySelector<HTMLButtonElement>('.citeside-marker')!;
  await act(async () => marker.focus());
  expect(host.querySelector('.citeside-card')!.textContent).toContain('So it is.');
  await press('Escape');
  expect([host.querySelector('.citeside-card'), panel.isOpen()]).toEqual([null, true]);
  await act(async () => marker.click());
  expect(page.reveal).toHaveBeenCalledWith({path: 'x/', quote: 'So it is.'});
  await press('Escape');
  expect([panel.isOpen(), onClose.mock.calls.length]).toEqual([false, 1]);
});

it('deletes everything only when asked twice', async () => {
  const {client} = play();
  await opened();
  await click('conversations');
  await click('forget');
  expect(client.forget).not.toHaveBeenCalled();
  await click('forgetYes');
  expect(client.forget).toHaveBeenCalledOnce();
});
