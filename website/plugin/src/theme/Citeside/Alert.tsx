// Says what went wrong and what can be done: wait and try again, or search without the model.

import {useEffect, useState} from 'react';
import type {Client, FoundPassage} from 'docusaurus-plugin-citeside/client';
import {where} from 'docusaurus-plugin-citeside/page/site';
import type {Trouble} from './conversation';
import {label, sentence} from './labels';
import {Pages} from './Sources';
import {asTrouble} from './useConversation';

/** Where the model or its store is at fault, or not to be asked now, the search may still work. */
const SEARCHABLE = new Set([
  'model_unavailable',
  'model_failed',
  'timeout',
  'truncated',
  'filtered',
  'overloaded',
  'store_unavailable',
  'internal',
  'rate_limited',
  'rate_limited_address',
  'too_many_running',
  'budget_exhausted',
  'paused',
]);

interface Props {
  trouble: Omit<Trouble, 'status'>;
  /** Null where trying again is no use. */
  tryAgain: (() => void) | null;
  /** What to search for instead. */
  search?: {client: Client; text: string};
}

export function Alert({trouble, tryAgain, search}: Props) {
  const left = useCountdown(trouble);
  return (
    <div className="citeside-alert">
      <p role="alert">{sentence(trouble.code, trouble.detail)}</p>
      <div className="citeside-buttons">
        {tryAgain && (
          <button type="button" className="citeside-button" disabled={left > 0} onClick={tryAgain}>
            {left > 0 ? inWords(left) : label('tryAgain')}
          </button>
        )}
        {search && SEARCHABLE.has(trouble.code) && <SearchInstead {...search} />}
      </div>
    </div>
  );
}

/** When it is worth trying again: in seconds as long as somebody may wait for it. */
function inWords(seconds: number): string {
  if (seconds < 120) return label('tryAgainIn', {seconds});
  if (seconds < 7200) return label('tryAgainInMinutes', {minutes: Math.ceil(seconds / 60)});
  return label('tryAgainInHours', {hours: Math.ceil(seconds / 3600)});
}

/** The seconds left of the time the server asked to wait. */
function useCountdown(trouble: Props['trouble']): number {
  const [left, setLeft] = useState(Math.ceil(trouble.retryAfter ?? 0));
  useEffect(() => {
    const until = Date.now() + (trouble.retryAfter ?? 0) * 1000;
    const tick = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    tick();
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [trouble]);
  return left;
}

function SearchInstead({client, text}: {client: Client; text: string}) {
  const [found, setFound] = useState<FoundPassage[] | null>(null);
  const [failed, setFailed] = useState('');
  const search = async () => {
    try {
      const {version, locale} = where();
      setFound(await client.search(text, {...(version && {version}), ...(locale && {locale})}));
    } catch (error) {
      const {code, detail} = asTrouble(error);
      setFailed(sentence(code, detail));
    }
  };
  return (
    <>
      <button type="button" className="citeside-button" onClick={() => void search()}>
        {label('searchInstead')}
      </button>
      <div aria-live="polite" className="citeside-found">
        {failed || (found?.length === 0 && label('nothingFound'))}
        {found && found.length > 0 && <Pages name={label('found')} pages={found} />}
      </div>
    </>
  );
}
