// Sends ChatKit's requests: adds what the element does not know, and tells a stopped answer from a page that was left.

import type {Client, Quote, Where} from '../client';

/** What a request says that is of interest here. */
interface Sent {
  type: string;
  params: {thread_id?: string; input?: {quoted_text?: string | null}};
  metadata?: object;
}

interface Page {
  client: Client;
  /** What the reader asks about, null for the whole of the docs. */
  quote(): Quote | null;
  where(): Where;
  /** Called when the server does not know a thread that was asked for. */
  onGone(threadId: string): void;
}

const STREAMED = ['threads.create', 'threads.add_user_message', 'threads.retry_after_item'];

/** Return the `fetch` for the element's options. */
export function pageFetch({client, quote, where, onGone}: Page): typeof fetch {
  let stopping: Promise<unknown> = Promise.resolve();
  let leaving = false;
  addEventListener('pagehide', () => (leaving = true));
  addEventListener('pageshow', () => (leaving = false));

  /** A quote that the element has by itself counts where the page has none. */
  function completed(sent: Sent): Sent {
    const about = quote();
    const input = {...sent.params.input, ...(about && {quoted_text: about.text})};
    const metadata = {...sent.metadata, source: about?.source ?? where(), ...(about?.selector && {selector: about.selector})};
    return {...sent, params: {...sent.params, input}, metadata};
  }

  /** The protocol has no request that stops an answer: the element hangs up, and the server would go on. */
  async function stream(url: string, init: RequestInit): Promise<Response> {
    await stopping; // a thread answers one question at a time
    const {signal, ...rest} = init;
    signal?.throwIfAborted();
    const line = new AbortController();
    const begun = client.fetch(url, {...rest, signal: line.signal});
    return new Promise((resolve, reject) => {
      begun.then(resolve, reject);
      signal?.addEventListener('abort', () => {
        reject(signal.reason as Error);
        if (leaving) {
          return;
        }
        // Stopped before the server answered, the turn is not known yet: it is waited for.
        const stop = async (response: Response): Promise<void> => {
          line.abort(signal.reason);
          const turnId = response.headers.get('citeside-turn-id');
          if (turnId) {
            await client.stop(turnId);
          }
        };
        stopping = begun.then(stop).catch(() => {});
      });
    });
  }

  return async (target, init = {}) => {
    const url = target instanceof Request ? target.url : String(target);
    if (typeof init.body !== 'string') {
      return client.fetch(url, init);
    }
    const sent = JSON.parse(init.body) as Sent;
    const body = sent.params.input ? JSON.stringify(completed(sent)) : init.body;
    const response = await (STREAMED.includes(sent.type) ? stream : client.fetch)(url, {...init, body});
    const threadId = sent.params.thread_id;
    if (threadId && response.status === 404 && (await codeOf(response.clone())) === 'thread_unknown') {
      onGone(threadId);
    }
    return response;
  };
}

async function codeOf(response: Response): Promise<unknown> {
  const problem = (await response.json().catch(() => null)) as {code?: unknown} | null;
  return problem?.code;
}
