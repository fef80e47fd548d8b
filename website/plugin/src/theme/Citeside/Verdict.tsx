// What a quoted text lacks for an answer, and the wider texts that could be asked instead.

import {useMemo} from 'react';
import {codePoints} from 'docusaurus-plugin-citeside/client';
import type {Quote, Verdict as Judged} from 'docusaurus-plugin-citeside/client';
import {pageText, section} from 'docusaurus-plugin-citeside/page/passage';
import {label} from './labels';

interface Props {
  verdict: Judged;
  quote: Quote;
  /** The largest text that can be asked about, in code points. */
  limit: number;
  /** Null for all but the last turn. */
  widen: ((quote: Quote | null) => void) | null;
}

/** `text` is the answer's: where it tells what is missing, as our server's does, it is not said twice. */
export function Verdict({text, ...props}: Props & {text: string}) {
  const {verdict, widen} = props;
  if (verdict.verdict === 'sufficient') return null;
  const untold = verdict.missing.filter((one) => !text.includes(one.minimal_text));
  const told = verdict.missing.length > untold.length;
  if (told && !widen) return null;
  return (
    <div className="citeside-verdict">
      {!told && <p>{label(verdict.verdict === 'partial' ? 'verdictPartial' : 'verdictInsufficient')}</p>}
      {untold.length > 0 && (
        <ul aria-label={label('missing')}>
          {untold.map((one, key) => (
            <li key={key}>
              {one.what}
              <div className="citeside-muted">{one.why}</div>
              <div>
                {label('minimalText')} {one.minimal_text}
              </div>
            </li>
          ))}
        </ul>
      )}
      {widen && <Widening {...props} widen={widen} />}
    </div>
  );
}

function Widening({verdict, quote, limit, widen}: Props & {widen: (quote: Quote | null) => void}) {
  const offers = useMemo(
    () => ({
      section: verdict.widen.includes('section') ? section(quote) : null,
      page: verdict.widen.includes('page') ? pageText(quote) : null,
    }),
    [verdict, quote],
  );
  if (!verdict.widen.length) return null;
  const same = offers.section?.text === offers.page?.text; // on a page's introduction the section is all of the page
  return (
    <div className="citeside-buttons" role="group" aria-label={label('widen')}>
      <span>{label('widen')}</span>
      {offers.section && !same && <Wider name={label('useSection')} quote={offers.section} limit={limit} widen={widen} />}
      {offers.page && <Wider name={label('usePage')} quote={offers.page} limit={limit} widen={widen} />}
      {verdict.widen.includes('docs') && (
        <button type="button" className="citeside-button" onClick={() => widen(null)}>
          {label('searchAll')}
        </button>
      )}
    </div>
  );
}

function Wider({name, quote, limit, widen}: {name: string; quote: Quote; limit: number; widen: (quote: Quote) => void}) {
  const count = codePoints(quote.text);
  const over = count > limit;
  const size = label(over ? 'overLimit' : 'characters', {count: count.toLocaleString(), limit: limit.toLocaleString()});
  return (
    <button type="button" className="citeside-button" disabled={over} onClick={() => widen(quote)}>
      {name}
      <span className="citeside-muted"> ({size})</span>
    </button>
  );
}
