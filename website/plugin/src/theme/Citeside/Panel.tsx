// The panel: its head, the conversation or the list of conversations, and the composer.

import {useCallback, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState} from 'react';
import type {Ref} from 'react';
import {flushSync} from 'react-dom';
import type {Client, Config, Quote} from 'docusaurus-plugin-citeside/client';
import type {PanelHandle} from 'docusaurus-plugin-citeside/page/panel';
import {clearMarks, mark} from 'docusaurus-plugin-citeside/page/passage';
import {options, where} from 'docusaurus-plugin-citeside/page/site';
import {Alert} from './Alert';
import {Announcer} from './Announcer';
import {Answer, stepOf} from './Answer';
import {Composer} from './Composer';
import {running} from './conversation';
import type {Asked} from './conversation';
import {IconButton, signs} from './IconButton';
import {disclosure, label, sentence} from './labels';
import {Quoted} from './Quoted';
import {Threads} from './Threads';
import {useConversation} from './useConversation';

interface Props {
  ref: Ref<PanelHandle>;
  client: Client;
  channelName: string;
  onClose(): void;
}

/** What the server takes; until it says otherwise, these are its defaults in code points. */
const LIMITS: Config['limits'] = {message: 4_000, selected_text: 20_000, metadata: 4_096, body: 262_144, turns_per_minute: 0, turns_per_hour: 0};

export function Panel({ref, client, channelName, onClose}: Props) {
  const [open, setOpen] = useState(false);
  const [used, setUsed] = useState(false); // It was opened once: before that the server is asked nothing.
  const [listing, setListing] = useState(false);
  const [draft, setDraft] = useState('');
  const [quote, setQuote] = useState<Quote | null>(null);
  const [hint, setHint] = useState('');
  const config = useConfig(client, used);
  const input = useRef<HTMLTextAreaElement>(null);
  const giveBack = useCallback((text: string) => {
    setDraft((draft) => draft || text);
    setHint(sentence('turn_running'));
  }, []);
  const {state, ask, stop, retry, open: openThread, startNew, rate} = useConversation(client, channelName, used, giveBack);
  const busy = running(state);
  const last = state.turns.at(-1);
  const limits = config?.limits ?? LIMITS;

  useImperativeHandle(ref, () => ({
    open(request = {}) {
      // At once, so that the box is there to be focused, and a phone shows its keyboard.
      flushSync(() => {
        setOpen(true);
        setUsed(true);
        setListing(false);
        if (request.quote) setQuote(request.quote);
        if (request.draft !== undefined) setDraft(request.draft);
      });
      input.current?.focus();
    },
    close,
    isOpen: () => open,
  }));

  function close() {
    setOpen(false);
    onClose();
  }

  // What an answer used of the quoted text is marked in the page, as long as that page is shown. Where the server
  // replaced words of the quote, offsets count its text and not ours; that is known once the answer is stored.
  const stored = last?.answer.stored;
  const scrubs = config?.disclosures.some(({code}) => code === 'scrubbed');
  const asSent = scrubs ? stored?.notices.every(({code}) => code !== 'scrubbed') : true;
  const verdict = asSent ? last?.answer.verdict : undefined;
  const about = last?.question.quote;
  useEffect(() => {
    if (!open || !verdict || !about || about.source.path !== where().path) return;
    mark(about, verdict.used);
    return clearMarks;
  }, [open, verdict, about]);

  const send = useCallback(
    (text: string, about: Quote | null) => {
      setHint('');
      setListing(false);
      ask(text, about);
    },
    [ask],
  );
  const widen = useCallback(
    (text: string, wider: Quote | null) => {
      setQuote(wider);
      send(text, wider);
      input.current?.focus();
    },
    [send],
  );
  const removeQuote = useCallback(() => {
    setQuote(null);
    input.current?.focus();
  }, []);
  const begin = () => {
    startNew();
    setListing(false);
    setQuote(null);
    setHint('');
    input.current?.focus();
  };

  return (
    <section
      className="citeside-panel"
      role="dialog"
      aria-modal="false"
      aria-label={label('title')}
      hidden={!open}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.nativeEvent.isComposing) close();
      }}
    >
      <header className="citeside-head">
        <h2>{label('title')}</h2>
        <IconButton name={label('newConversation')} path={signs.plus} onClick={begin} />
        <IconButton name={label('conversations')} path={signs.list} aria-pressed={listing} onClick={() => setListing(!listing)} />
        <IconButton name={label('close')} path={signs.close} onClick={close} />
      </header>
      {listing ? (
        <Threads
          client={client}
          current={state.threadId}
          open={(threadId) => {
            setListing(false);
            setQuote(null);
            void openThread(threadId);
            input.current?.focus();
          }}
          removed={startNew}
          back={() => {
            setListing(false);
            input.current?.focus();
          }}
        />
      ) : (
        <Log grown={`${state.turns.length} ${last?.answer.length} ${last?.answer.status} ${last?.answer.stored?.id}`} asked={last?.key}>
          {state.loading && <p>{label('loading')}</p>}
          {state.problem && state.threadId && <Alert trouble={state.problem} tryAgain={() => void openThread(state.threadId!)} />}
          {!state.turns.length && !state.loading && !state.problem && <Welcome config={config} send={(text) => send(text, quote)} />}
          {state.turns.map((turn) => (
            <div key={turn.key} className="citeside-turn">
              <Question question={turn.question} />
              <Answer turn={turn} client={client} limit={limits.selected_text} last={turn === last} rate={rate} retry={retry} widen={widen} />
            </div>
          ))}
        </Log>
      )}
      <Announcer turn={last} />
      <p className="citeside-step" role="status">
        {busy ? stepOf(busy.answer) : hint}
      </p>
      <Composer
        input={input}
        draft={draft}
        setDraft={setDraft}
        quote={quote}
        removeQuote={removeQuote}
        limit={limits.message}
        running={busy !== null}
        send={(text) => {
          setDraft('');
          send(text, quote);
        }}
        stop={stop}
      />
    </section>
  );
}

function useConfig(client: Client, active: boolean): Config | null {
  const [config, setConfig] = useState<Config | null>(null);
  useEffect(() => {
    if (active) client.config().then(setConfig, () => {}); // Without it the defaults hold; asking tells what is wrong.
  }, [client, active]);
  return config;
}

/** The scrolled part: it stays at the end while the reader is there, and goes there with a new question. */
function Log({grown, asked, children}: {grown: string; asked: string | undefined; children: React.ReactNode}) {
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    atEnd.current = true;
  }, [asked]);
  useLayoutEffect(() => {
    if (log.current && atEnd.current) log.current.scrollTop = log.current.scrollHeight;
  }, [grown, asked]);
  return (
    <div
      ref={log}
      className="citeside-log"
      role="region"
      aria-label={label('log')}
      tabIndex={0}
      onScroll={({currentTarget: {scrollHeight, scrollTop, clientHeight}}) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {children}
    </div>
  );
}

function Question({question}: {question: Asked}) {
  return (
    <div className="citeside-question">
      <h3 className="citeside-hidden">{label('question')}</h3>
      {question.quote && <Quoted text={question.quote.text} />}
      <p>{question.text}</p>
    </div>
  );
}

function Welcome({config, send}: {config: Config | null; send(text: string): void}) {
  const {starters, privacyNote} = options();
  return (
    <div className="citeside-welcome">
      <p>{label('welcome')}</p>
      {starters.length > 0 && (
        <ul aria-label={label('starters')}>
          {starters.map((text) => (
            <li key={text}>
              <button type="button" className="citeside-button" onClick={() => send(text)}>
                {text}
              </button>
            </li>
          ))}
        </ul>
      )}
      {privacyNote && <p className="citeside-muted">{privacyNote}</p>}
      {config?.disclosures.map((notice) => (
        <p key={notice.code} className="citeside-muted">
          {disclosure(notice, config.retention_days)}
        </p>
      ))}
    </div>
  );
}
