// The reader's own conversations: open, rename, delete, and delete everything.

import {useCallback, useEffect, useRef, useState} from 'react';
import type {Client, Thread} from 'docusaurus-plugin-citeside/client';
import {Alert} from './Alert';
import type {Trouble} from './conversation';
import {label} from './labels';
import {asTrouble} from './useConversation';

interface Props {
  client: Client;
  current: string | null;
  open(threadId: string): void;
  /** The thread that was shown, or all data, is gone. */
  removed(): void;
  back(): void;
}

export function Threads({client, current, open, removed, back}: Props) {
  const [threads, setThreads] = useState<Thread[] | null>(null);
  const [more, setMore] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);

  /** Do something that may fail, and say so where it does. */
  const attempt = useCallback(async (work: () => Promise<void>) => {
    setTrouble(null);
    try {
      await work();
    } catch (error) {
      setTrouble(asTrouble(error));
    }
  }, []);
  const load = useCallback(
    (after?: string) =>
      attempt(async () => {
        const page = await client.threads(after);
        setThreads((before) => [...(after ? (before ?? []) : []), ...page.data]);
        setMore(page.has_more ? page.after : null);
      }),
    [attempt, client],
  );
  useEffect(() => {
    heading.current?.focus();
    void load();
  }, [load]);

  const rename = (thread: Thread, title: string) =>
    attempt(async () => {
      await client.rename(thread.id, title);
      setThreads((before) => (before ?? []).map((one) => (one.id === thread.id ? {...one, title} : one)));
    });
  const remove = (thread: Thread) =>
    attempt(async () => {
      await client.removeThread(thread.id);
      setThreads((before) => (before ?? []).filter((one) => one.id !== thread.id));
      if (thread.id === current) removed();
      heading.current?.focus();
    });
  const forget = () =>
    attempt(async () => {
      await client.forget();
      setThreads([]);
      setMore(null);
      removed();
      heading.current?.focus();
    });

  return (
    <div className="citeside-log citeside-threads">
      <div className="citeside-head">
        <h3 ref={heading} tabIndex={-1}>
          {label('conversations')}
        </h3>
        <button type="button" className="citeside-button" onClick={back}>
          {label('back')}
        </button>
      </div>
      {trouble && <Alert trouble={trouble} tryAgain={() => void load()} />}
      {!threads && !trouble && <p>{label('loading')}</p>}
      {threads?.length === 0 && <p>{label('noConversations')}</p>}
      <ul>
        {threads?.map((thread) => (
          <Row key={thread.id} thread={thread} current={thread.id === current} open={open} rename={rename} remove={remove} />
        ))}
      </ul>
      {more && (
        <button type="button" className="citeside-button" onClick={() => void load(more)}>
          {label('showMore')}
        </button>
      )}
      <Confirmed name={label('forget')} ask={label('forgetAsk')} yes={label('forgetYes')} confirm={() => void forget()} />
    </div>
  );
}

interface RowProps {
  thread: Thread;
  current: boolean;
  open(threadId: string): void;
  rename(thread: Thread, title: string): Promise<void>;
  remove(thread: Thread): Promise<void>;
}

function Row({thread, current, open, rename, remove}: RowProps) {
  const [renaming, setRenaming] = useState(false);
  const title = thread.title || label('untitled');
  if (renaming) {
    return (
      <li>
        <form
          className="citeside-line"
          onSubmit={(event) => {
            event.preventDefault();
            const next = String(new FormData(event.currentTarget).get('title')).trim();
            setRenaming(false);
            if (next && next !== thread.title) void rename(thread, next);
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return;
            event.stopPropagation();
            setRenaming(false);
          }}
        >
          <input name="title" aria-label={label('newTitle')} defaultValue={thread.title} maxLength={200} autoFocus />
          <button type="submit" className="citeside-button">
            {label('save')}
          </button>
        </form>
      </li>
    );
  }
  return (
    <li>
      <button type="button" className="citeside-thread" aria-current={current ? 'true' : undefined} onClick={() => open(thread.id)}>
        {title}
        <span className="citeside-muted">{new Date(thread.updated_at).toLocaleDateString(document.documentElement.lang || undefined)}</span>
      </button>
      <div className="citeside-buttons">
        <button type="button" className="citeside-small" aria-label={`${label('rename')}: ${title}`} onClick={() => setRenaming(true)}>
          {label('rename')}
        </button>
        <Confirmed small name={label('remove')} about={title} ask={label('removeAsk')} yes={label('remove')} confirm={() => void remove(thread)} />
      </div>
    </li>
  );
}

interface ConfirmedProps {
  name: string;
  /** What it is about, where a list has many buttons of this name. */
  about?: string;
  ask: string;
  yes: string;
  small?: boolean;
  confirm(): void;
}

/** A button that asks once more before it does what cannot be undone. */
function Confirmed({name, about, ask, yes, small, confirm}: ConfirmedProps) {
  const [asking, setAsking] = useState(false);
  const kind = small ? 'citeside-small' : 'citeside-button';
  if (!asking) {
    return (
      <button type="button" className={kind} aria-label={about && `${name}: ${about}`} onClick={() => setAsking(true)}>
        {name}
      </button>
    );
  }
  return (
    <div
      role="group"
      aria-label={ask}
      className="citeside-confirm"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        setAsking(false);
      }}
    >
      <p>{ask}</p>
      <button
        type="button"
        className={kind}
        onClick={() => {
          setAsking(false);
          confirm();
        }}
      >
        {yes}
      </button>
      <button type="button" className={kind} autoFocus onClick={() => setAsking(false)}>
        {label('cancel')}
      </button>
    </div>
  );
}
