// The panel around ChatKit's element: a head to close it by, and the quoted text that the next question is about.

import {useImperativeHandle, useRef, useState} from 'react';
import type {Ref} from 'react';
import {flushSync} from 'react-dom';

import type {Client, Quote} from '../client';
import type {PanelHandle, Request} from '../page/panel';
import {IconButton, signs} from '../theme/Citeside/IconButton';
import {label} from '../theme/Citeside/labels';
import {QuoteChip} from '../theme/Citeside/QuoteChip';
import {type Chat, startChat} from './chat';

export interface ChatHandle extends PanelHandle {
  /** What the panel was opened with, as far as it still stands. */
  request(): Request;
}

interface Props {
  ref: Ref<ChatHandle>;
  client: Client;
  onClose(): void;
  /** Called when the element cannot come. */
  onFailure(reason: string): void;
}

export function Panel({ref, client, onClose, onFailure}: Props) {
  const [open, setOpen] = useState(false);
  const [ready, setReady] = useState(false);
  const [quote, setQuote] = useState<Quote | null>(null);
  const latest = useRef(quote);
  latest.current = quote;
  const draft = useRef<string>(undefined);
  const panel = useRef<HTMLElement>(null);
  const slot = useRef<HTMLDivElement>(null);
  const chat = useRef<Chat>(null);

  useImperativeHandle(ref, () => ({
    open(request = {}) {
      flushSync(() => {
        setOpen(true);
        if (request.quote) setQuote(request.quote);
      });
      draft.current = request.draft ?? draft.current;
      panel.current?.focus();
      chat.current ??= startChat(slot.current!, {
        client,
        quote: () => latest.current,
        onReady: () => setReady(true),
        onOtherThread: () => setQuote(null),
        onFailure,
      });
      chat.current.take(request);
    },
    close,
    isOpen: () => open,
    request: () => ({...(latest.current && {quote: latest.current}), ...(draft.current !== undefined && {draft: draft.current})}),
  }));

  function close() {
    setOpen(false);
    onClose();
  }

  return (
    <section ref={panel} className="citeside-panel" role="dialog" aria-modal="false" aria-label={label('title')} tabIndex={-1} hidden={!open}>
      <header className="citeside-head">
        <h2>{label('title')}</h2>
        <IconButton name={label('close')} path={signs.close} onClick={close} />
      </header>
      {!ready && (
        <p className="citeside-step" role="status">
          {label('loading')}
        </p>
      )}
      <div ref={slot} className="citeside-chatkit" />
      {quote && (
        <div className="citeside-composer">
          <QuoteChip
            quote={quote}
            remove={() => {
              setQuote(null);
              chat.current?.removeQuote();
            }}
          />
        </div>
      )}
    </section>
  );
}
