/** Keeps the question of a tab that is not known to have become a turn, so that a reloaded page finds its answer. */

import type {Question} from './api';
import type {Store} from './session';

export interface Unstarted {
  question: Question;
  /** Its `client_message_id`: sent again with it, the question joins the turn that it began. */
  id: string;
  /** Whose session it was sent in; null while it was not sent. */
  token: string | null;
}

/** Returns the storage of this tab, which outlives a reload; where it is forbidden or full, nothing is kept. */
export function tabStore(): Store {
  function tried<T>(act: () => T, otherwise: T): T {
    try {
      return act();
    } catch {
      return otherwise;
    }
  }
  return {
    get: (key) => tried(() => sessionStorage.getItem(key), null),
    set: (key, value) => tried(() => sessionStorage.setItem(key, value), undefined),
    remove: (key) => tried(() => sessionStorage.removeItem(key), undefined),
  };
}

export function keptQuestion(store: Store, key: string) {
  return {
    get(): Unstarted | null {
      try {
        return JSON.parse(store.get(key) ?? 'null') as Unstarted | null;
      } catch {
        return null;
      }
    },
    set: (unstarted: Unstarted): void => store.set(key, JSON.stringify(unstarted)),
    drop: (): void => store.remove(key),
  };
}
