// @vitest-environment jsdom
// What the element is told: always all of it, from the site's options, the page and the server.

import type {ChatKitOptions} from '@openai/chatkit';
import {expect, test, vi} from 'vitest';

import {startChat} from '../src/chatkit/chat';
import type {Client} from '../src/client';

const page = vi.hoisted(() => ({reveal: vi.fn(), visit: vi.fn()}));
vi.mock('../src/page/passage', () => ({reveal: page.reveal}));
vi.mock('../src/page/site', () => ({
  visit: page.visit,
  where: () => ({}),
  options: () => ({apiUrl: 'http://api', domainKey: 'key', starters: ['How to begin?'], labels: {title: 'Ask Ada'}, privacyNote: 'Kept 30 days.'}),
}));

test('the element is told all at each change', async () => {
  const told: ChatKitOptions[] = [];
  customElements.define('openai-chatkit', class extends HTMLElement {
    setOptions(options: ChatKitOptions) {
      told.push(options);
    }
  });
  document.documentElement.lang = 'de';
  const client = {
    config: () => new Promise((resolve) => setTimeout(resolve, 20, {features: ['chatkit'], disclosures: [{code: 'c', detail: 'A model answers.'}]})),
    current: {threadId: null},
  };
  startChat(document.body, {client: client as unknown as Client, quote: () => null, onReady() {}, onOtherThread() {}, onFailure() {}});
  await vi.waitFor(() => expect(told).toHaveLength(2));
  document.documentElement.dataset.theme = 'dark';
  await vi.waitFor(() => expect(told).toHaveLength(3));
  const all = {
    api: {url: 'http://api/chatkit', domainKey: 'key', fetch: expect.any(Function)},
    locale: 'de',
    theme: {colorScheme: 'dark'},
    frameTitle: 'Ask Ada',
    initialThread: null,
    history: {enabled: true, showDelete: true, showRename: true},
    startScreen: {greeting: expect.stringContaining('Ask anything'), prompts: [{label: 'How to begin?', prompt: 'How to begin?'}]},
    composer: {placeholder: 'Your question', attachments: {enabled: false}, dictation: {enabled: false}},
    threadItemActions: {feedback: true, retry: true},
    entities: {onClick: expect.any(Function)},
    disclaimer: {text: 'Kept 30 days. A model answers.'},
  };
  const light = {...all, theme: {colorScheme: 'light'}};
  expect(told).toEqual([{...light, disclaimer: {text: 'Kept 30 days.'}}, light, all]);
  const click = told[2]!.entities!.onClick!;
  click({id: '1', title: 'A', data: {path: 'a/', quote: 'A notebook.'}});
  click({id: '2', title: 'B', data: {path: 'b/', quote: ''}});
  click({id: '3', title: 'C'});
  expect([page.reveal.mock.calls, page.visit.mock.calls]).toEqual([[[{path: 'a/', quote: 'A notebook.'}]], [['b/']]]);
});
