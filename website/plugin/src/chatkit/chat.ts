// ChatKit's element in its place: its script, its options as they change, and what it says of the reader's thread.

import type {OpenAIChatKit} from '@openai/chatkit';

import type {Client, Quote} from '../client';
import type {Request} from '../page/panel';
import {where} from '../page/site';
import {pageFetch} from './fetch';
import {chatKitOptions} from './options';
import {ordersOf} from './orders';

const SCRIPT = 'https://cdn.platform.openai.com/deployments/chatkit/chatkit.js';
const REGISTER =
  'Outside localhost OpenAI must know this domain, and the option domainKey must be its key: ' +
  'https://platform.openai.com/settings/organization/security/domain-allowlist';
/** After this time an element without its frame is taken for one that will never have it: a refused one says nothing. */
const PATIENCE_MS = 10_000;

export interface Chat {
  /** Bring what the panel was opened with into the composer, and the focus. */
  take(request: Request): void;
  removeQuote(): void;
}

interface Surroundings {
  client: Client;
  quote(): Quote | null;
  /** Called once the element can be used. */
  onReady(): void;
  /** Called when the reader goes from one thread to another. */
  onOtherThread(): void;
  /** Called, once at most, when the element cannot come. */
  onFailure(reason: string): void;
}

/** Load the element into `slot`. */
export function startChat(slot: HTMLElement, {client, quote, onReady, onOtherThread, onFailure}: Surroundings): Chat {
  const element = document.createElement('openai-chatkit') as OpenAIChatKit;
  const order = ordersOf(element);
  const initial = client.current.threadId;
  let shown = initial;
  let disclosures: string[] = [];
  let failed = false;

  function fail(reason: string): void {
    if (!failed) {
      failed = true;
      clearTimeout(watchdog);
      colours.disconnect();
      onFailure(reason);
    }
  }

  /** Tell the element all its options, now that some are others. */
  function configure(): void {
    if (!failed && customElements.get('openai-chatkit')) {
      element.setOptions(chatKitOptions({fetch, threadId: initial, disclosures}));
    }
  }

  const fetch = pageFetch({
    client,
    quote,
    where,
    onGone: (threadId) => {
      if (threadId === shown) {
        client.current.set(null);
        order((chat) => chat.setThreadId(null));
      }
    },
  });
  const colours = new MutationObserver(configure);
  const watchdog = setTimeout(() => {
    if (!element.shadowRoot?.querySelector('iframe')) {
      fail(`it had no frame after ${PATIENCE_MS / 1000} s. ${REGISTER}`);
    }
  }, PATIENCE_MS);

  element.addEventListener('chatkit.ready', onReady);
  element.addEventListener('chatkit.thread.change', ({detail: {threadId}}) => {
    const before = shown;
    shown = threadId;
    client.current.set(threadId);
    if (before && before !== threadId) {
      onOtherThread();
    }
  });
  slot.append(element);
  colours.observe(document.documentElement, {attributeFilter: ['data-theme']});
  void customElements.whenDefined('openai-chatkit').then(configure);
  const script = Object.assign(document.createElement('script'), {src: SCRIPT, async: true});
  script.onerror = () => fail(`${SCRIPT} did not load. ${REGISTER}`);
  document.head.append(script);
  client.config().then(
    ({features, disclosures: notices}) => {
      if (!features.includes('chatkit')) {
        fail('the server does not speak its protocol. Set CITESIDE_CHATKIT=true there.');
      } else if (notices.length) {
        disclosures = notices.map(({detail}) => detail);
        configure();
      }
    },
    () => {}, // what is asked will say what is wrong
  );
  if (initial) {
    void awaitAnswer(client, initial).then((came) => came && order((chat) => chat.fetchUpdates()), () => {});
  }

  return {
    take({quote, draft}) {
      if (quote || draft !== undefined) {
        order((chat) => chat.setComposerValue({...(quote && {reply: quote.text}), ...(draft !== undefined && {text: draft})}));
      }
      order(async (chat) => {
        if (!slot.closest('[hidden]')) {
          await chat.focusComposer();
        }
      });
    },
    removeQuote: () => order((chat) => chat.setComposerValue({reply: ''})),
  };
}

/** Wait for an answer that an earlier page left behind; the protocol cannot join its stream. False when there is none. */
async function awaitAnswer(client: Client, threadId: string): Promise<boolean> {
  const {running_turn_id: turnId} = await client.thread(threadId);
  if (turnId) {
    for await (const _ of client.rejoin(turnId)) {
      // Only its end is of interest.
    }
  }
  return turnId !== null;
}
