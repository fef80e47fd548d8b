/** Keeps the reader's session: one for all tabs of a browser, made when it is first needed. */

import type {SessionGiven} from './wire';

/** Where text is kept by key. None of it throws. */
export interface Store {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
}

/** Returns the browser's storage; memory, which ends with the page, where it is missing, forbidden or full. */
export function browserStore(): Store {
  const memory = new Map<string, string>();
  function tried<T>(act: (storage: Storage) => T, otherwise: T): T {
    try {
      return act(localStorage); // even to name it throws where a browser blocks it
    } catch {
      return otherwise;
    }
  }
  return {
    get: (key) => memory.get(key) ?? tried((storage) => storage.getItem(key), null),
    set(key, value) {
      if (tried((storage) => (storage.setItem(key, value), true), false)) memory.delete(key);
      else memory.set(key, value);
    },
    remove(key) {
      memory.delete(key);
      tried((storage) => storage.removeItem(key), undefined);
    },
  };
}

export interface Session {
  /** The token as it is stored. Its first date of expiry moves with use, so that only the server knows the date. */
  stored(): string | null;
  /** The token to send, of a new session where there is none; `refused` is one that the server did not take. */
  token(refused?: string): Promise<string>;
  /** Drops the session and what belongs to it. */
  drop(): void;
  /** The thread that is shown. */
  threadId: string | null;
}

export function keptSession(options: {
  apiUrl: string;
  store: Store;
  locks: LockManager | null;
  mint: () => Promise<SessionGiven>;
}): Session {
  const {store, locks, mint} = options;
  const key = `citeside:${options.apiUrl}`;
  const threadKey = `${key}:thread`;
  let minting: Promise<string> | null = null;

  const session: Session = {
    stored() {
      try {
        return (JSON.parse(store.get(key) ?? 'null') as SessionGiven | null)?.token ?? null;
      } catch {
        return null;
      }
    },
    async token(refused) {
      const usable = (): string | null => {
        const token = session.stored();
        return token === refused ? null : token;
      };
      const renewed = async (waited: boolean): Promise<string> => {
        const token = waited ? await appearing(usable) : usable(); // another tab was faster
        if (token) return token;
        const given = await mint();
        session.drop();
        store.set(key, JSON.stringify(given));
        return given.token;
      };
      return usable() ?? (minting ??= exclusively(locks, key, renewed).finally(() => (minting = null)));
    },
    drop() {
      store.remove(key);
      store.remove(threadKey);
    },
    get threadId() {
      return store.get(threadKey);
    },
    set threadId(id) {
      if (id === null) store.remove(threadKey);
      else store.set(threadKey, id);
    },
  };
  return session;
}

/** Until what one tab stored can be read in every other one: browsers pass it on between processes in their own time. */
const SEEN = 500; // ms; on a busy machine 30 ms were seen

/**
 * Does something while no other tab does, and keeps the others waiting until they can read what it stored. Each is told
 * whether it had to wait. Where the browser has no locks or refuses them, there is no other tab.
 */
function exclusively<T>(locks: LockManager | null, name: string, act: (waited: boolean) => Promise<T>): Promise<T> {
  if (!locks) return act(false);
  return new Promise<T>((resolve) => {
    const holding = (waited: boolean) => async (lock: Lock | null) => {
      if (!lock) return false;
      const done = act(waited);
      resolve(done);
      await done.then(() => pause(SEEN), () => {});
      return true;
    };
    locks
      .request(name, {ifAvailable: true}, holding(false))
      .then((held) => held || locks.request(name, holding(true)))
      .catch(() => resolve(act(false))); // blocked storage blocks locks as well
  });
}

/** Returns what `look` finds, also when it takes up to `SEEN` to appear. */
async function appearing<T>(look: () => T | null): Promise<T | null> {
  for (let waited = 0; waited < SEEN && look() === null; waited += 20) await pause(20);
  return look();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
