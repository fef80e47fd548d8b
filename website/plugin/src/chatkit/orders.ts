// Does things with ChatKit's element once it can: it refuses all while it loads a thread or receives an answer.

import type {OpenAIChatKit} from '@openai/chatkit';

type Order = (element: OpenAIChatKit) => Promise<void>;

/** Return what takes orders. They are done one after another; one that is refused is tried once more. */
export function ordersOf(element: OpenAIChatKit): (order: Order) => void {
  const waiting: {order: Order; refused: boolean}[] = [];
  const busy = new Set<string>();
  let working = false;

  async function work(): Promise<void> {
    if (working) {
      return;
    }
    working = true;
    while (!busy.size && waiting.length) {
      const next = waiting.shift()!;
      try {
        await next.order(element);
      } catch {
        if (!next.refused) {
          waiting.unshift({...next, refused: true});
          break;
        }
      }
    }
    working = false;
  }

  function begins(what: string): void {
    busy.add(what);
  }

  function ends(what: string): void {
    busy.delete(what);
    void work();
  }

  begins('starting');
  element.addEventListener('chatkit.ready', () => ends('starting'));
  element.addEventListener('chatkit.response.start', () => begins('answering'));
  element.addEventListener('chatkit.response.end', () => ends('answering'));
  element.addEventListener('chatkit.thread.load.start', () => begins('loading'));
  element.addEventListener('chatkit.thread.load.end', () => ends('loading'));
  return (order) => {
    waiting.push({order, refused: false});
    void work();
  };
}
