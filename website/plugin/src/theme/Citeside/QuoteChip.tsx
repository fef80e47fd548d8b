// The quoted text that the next question is about, which the reader can take away.

import {memo} from 'react';
import {codePoints} from 'docusaurus-plugin-citeside/client';
import type {Quote} from 'docusaurus-plugin-citeside/client';
import {label} from './labels';
import {Quoted} from './Quoted';

export const QuoteChip = memo(function QuoteChip({quote, remove}: {quote: Quote; remove(): void}) {
  return (
    <section className="citeside-chip" aria-label={label('quote')}>
      <Quoted text={quote.text} />
      <div className="citeside-chip-foot">
        <span>{label('quoteOnly')}</span>
        <span className="citeside-muted">{label('characters', {count: codePoints(quote.text).toLocaleString()})}</span>
        <button type="button" className="citeside-small" onClick={remove}>
          {label('removeQuote')}
        </button>
      </div>
    </section>
  );
});
