// Where the reader writes: the question, the quoted text it is about, and the button that sends or stops.

import {useLayoutEffect} from 'react';
import type {RefObject} from 'react';
import {codePoints} from 'docusaurus-plugin-citeside/client';
import type {Quote} from 'docusaurus-plugin-citeside/client';
import {label} from './labels';
import {QuoteChip} from './QuoteChip';

const NEAR = 200; // code points left when the counter shows

interface Props {
  input: RefObject<HTMLTextAreaElement | null>;
  draft: string;
  setDraft(draft: string): void;
  quote: Quote | null;
  removeQuote(): void;
  limit: number;
  running: boolean;
  send(text: string): void;
  stop(): void;
}

export function Composer({input, draft, setDraft, quote, removeQuote, limit, running, send, stop}: Props) {
  const left = limit - codePoints(draft);
  const sendable = draft.trim() !== '' && left >= 0 && !running;
  useLayoutEffect(() => {
    // As high as its text, up to the height that the style allows.
    const area = input.current;
    if (!area) return;
    area.style.height = 'auto';
    if (area.scrollHeight) area.style.height = `${area.scrollHeight + 2}px`; // 0 while the panel is closed
  }, [draft, input]);
  return (
    <form
      className="citeside-composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (sendable) send(draft);
      }}
    >
      {quote && <QuoteChip quote={quote} remove={removeQuote} />}
      <div className="citeside-line">
        <textarea
          ref={input}
          rows={1}
          value={draft}
          aria-label={label('input')}
          placeholder={label('input')}
          aria-invalid={left < 0}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => {
            // An Enter that ends the composition of a word (IME) is not meant to send; Safari tells by 229 only.
            if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229) return;
            event.preventDefault();
            if (sendable) send(draft);
          }}
        />
        {running ? (
          <button type="button" className="citeside-send" onClick={stop}>
            {label('stop')}
          </button>
        ) : (
          <button type="submit" className="citeside-send" aria-disabled={!sendable}>
            {label('send')}
          </button>
        )}
      </div>
      <div role="status" className="citeside-counter">
        {left < NEAR && label(left < 0 ? 'tooLong' : 'charactersLeft', {count: Math.abs(left)})}
      </div>
    </form>
  );
}
