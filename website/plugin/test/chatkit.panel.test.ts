// @vitest-environment jsdom
// Where ChatKit's element does not come, the built-in panel stands in its place, and the console says why.

import {act} from 'react';
import {afterEach, beforeAll, beforeEach, expect, test, vi} from 'vitest';

import type {PanelHandle} from '../src/page/panel';

const built = vi.hoisted(() => ({open: vi.fn(), mount: vi.fn(), away: true}));
const server = vi.hoisted(() => ({features: ['chatkit'], disclosures: []}));
vi.mock('@theme/Citeside', () => {
  if (built.away) throw new Error('Loading chunk 7 failed.');
  return {default: built.mount};
});
vi.mock('../src/client', async (original) => ({
  ...(await original<object>()),
  browserStore: () => null,
  createClient: () => ({config: async () => server, current: {threadId: null, set: () => {}}}),
}));
vi.mock('../src/page/passage', () => ({reveal: vi.fn(), revealWanted: vi.fn()}));

const QUOTE = {text: 'A notebook holds pages.', source: {url: 'u', path: 'a/', title: 'A'}, selector: null};
let panel: PanelHandle;
let host: HTMLElement;
let warn: ReturnType<typeof vi.spyOn>;
const script = () => document.head.querySelector('script');
const element = () => host.querySelector('openai-chatkit');

beforeAll(() => void Object.assign(globalThis, {IS_REACT_ACT_ENVIRONMENT: true}));
beforeEach(async () => {
  vi.useFakeTimers();
  server.features = ['chatkit'];
  built.mount.mockReset().mockReturnValue({open: built.open, close: vi.fn(), isOpen: () => true});
  built.open.mockReset();
  warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const {default: mount} = await import('../src/chatkit/mount');
  host = document.createElement('div');
  document.body.append(host);
  await act(async () => void (panel = mount(host, {onClose: vi.fn()})));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  document.body.replaceChildren();
  document.head.replaceChildren();
});

const passes = (ms: number) => act(async () => void (await vi.advanceTimersByTimeAsync(ms)));
async function opened(request?: Parameters<PanelHandle['open']>[0]) {
  await act(async () => panel.open(request));
  await passes(0);
}

test('nothing of OpenAI is loaded before the panel is opened, and once then', async () => {
  expect(script()).toBeNull();
  await opened();
  await opened();
  expect([...document.head.querySelectorAll('script')].map(({src}) => src)).toEqual([
    'https://cdn.platform.openai.com/deployments/chatkit/chatkit.js',
  ]);
});

test('without a network the next opening tries again', async () => {
  await opened();
  await act(async () => void script()!.dispatchEvent(new Event('error')));
  await passes(60_000);
  expect([built.mount.mock.calls, warn.mock.calls.length]).toEqual([[], 1]);
  await act(async () => panel.close());
  built.away = false;
  await opened({draft: 'How many?'});
  expect([built.open.mock.calls, warn.mock.calls.length]).toEqual([[[{draft: 'How many?'}]], 1]);
});

test('a script that does not load brings the built-in panel, with the quote and the draft', async () => {
  await opened({quote: QUOTE});
  await opened({draft: 'How many?'});
  await act(async () => void script()!.dispatchEvent(new Event('error')));
  await passes(60_000);
  expect(built.mount.mock.calls).toEqual([[host, expect.anything()]]);
  expect(built.open.mock.calls).toEqual([[{quote: QUOTE, draft: 'How many?'}]]);
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/^Citeside: the built-in panel takes .*chatkit\.js did not load\. .*domain-allowlist$/)]]);
});

test('an element without a frame after 10 s is given up', async () => {
  await opened();
  element()!.attachShadow({mode: 'open'});
  await passes(9_900);
  expect(built.mount).not.toHaveBeenCalled();
  await passes(200);
  expect(built.open.mock.calls).toEqual([[{}]]);
  expect(warn.mock.calls).toEqual([[expect.stringContaining('it had no frame after 10 s.')]]);
});

test('a panel that was closed meanwhile stays closed', async () => {
  await opened();
  await act(async () => panel.close());
  await passes(10_100);
  expect(built.mount).toHaveBeenCalledTimes(1);
  expect(built.open).not.toHaveBeenCalled();
});

test('an element with a frame stays', async () => {
  await opened();
  element()!.attachShadow({mode: 'open'}).append(document.createElement('iframe'));
  await passes(60_000);
  expect(built.mount).not.toHaveBeenCalled();
  expect(warn).not.toHaveBeenCalled();
});

test('a server that does not speak the protocol is named', async () => {
  server.features = [];
  await opened();
  await passes(0);
  expect(built.mount).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/protocol\. Set CITESIDE_CHATKIT=true there\.$/)]]);
});
