// One answer: its sources, its text, what it lacks, how it ended, and what the reader can do with it.

import {memo, useMemo} from 'react';
import type {Client, Quote} from 'docusaurus-plugin-citeside/client';
import {Alert} from './Alert';
import {CopyButton} from './CopyButton';
import type {Answer as Answered, Turn} from './conversation';
import {label} from './labels';
import type {Label} from './labels';
import {Markdown} from './Markdown';
import {marksOf, sourcesOf} from './marks';
import {Rating} from './Rating';
import {Pages, Sources} from './Sources';
import type {Talk} from './useConversation';
import {Verdict} from './Verdict';

const CONSTRAINED = 'Answer constrained to provided text.'; // The server never translates it.

interface Props {
  turn: Turn;
  client: Client;
  /** The largest quote the server takes, in code points. */
  limit: number;
  /** Only the last turn can be answered again or asked with a wider text. */
  last: boolean;
  rate: Talk['rate'];
  retry: Talk['retry'];
  widen(text: string, quote: Quote | null): void;
}

export const Answer = memo(function Answer({turn, client, limit, last, rate, retry, widen}: Props) {
  const {answer, question} = turn;
  const {stored, passages, text} = answer;
  const marks = useMemo(() => marksOf(stored, passages), [stored, passages]);
  const sources = useMemo(() => sourcesOf(stored, passages), [stored, passages]);
  const running = answer.status === 'running';
  const begin = text.startsWith(CONSTRAINED) ? CONSTRAINED.length : 0;
  return (
    <article className="citeside-answer" aria-label={label('answer')}>
      {answer.constrained && <p className="citeside-badge">{CONSTRAINED}</p>}
      <Sources sources={sources} waiting={running && !text} />
      {text.length > begin && <Markdown text={text} from={begin} marks={marks} growing={running && !stored} />}
      {stored?.notices.map((notice) => (
        <p key={notice.code} className="citeside-notice">
          {notice.detail}
        </p>
      ))}
      {marks.unsupported.length > 0 && <p className="citeside-notice">{label('unsupportedNote')}</p>}
      {stored && stored.nearest.length > 0 && (
        <div className="citeside-notice">
          {stored.outcome === 'not_covered' && <strong>{label('notCovered')} </strong>}
          {label('nearest')}:
          <Pages name={label('nearest')} pages={stored.nearest} />
        </div>
      )}
      {!running && answer.verdict && question.quote && (
        <Verdict
          text={text}
          verdict={answer.verdict}
          quote={question.quote}
          limit={limit}
          widen={last ? (quote) => widen(question.text, quote) : null}
        />
      )}
      {!running && <Ending turn={turn} retry={last ? () => retry(turn) : null} client={client} />}
      {!running && answer.messageId && text.length > begin && (
        <div className="citeside-actions">
          <CopyButton text={text} name={label('copyAnswer')} />
          <Rating feedback={answer.feedback} rate={(feedback) => rate(turn, feedback)} />
        </div>
      )}
    </article>
  );
});

/** How an answer that is not complete ended, and whether asking again can help. */
function Ending({turn, retry, client}: {turn: Turn; retry: (() => void) | null; client: Client}) {
  const {answer, question} = turn;
  const search = {client, text: question.text};
  if (answer.problem) return <Alert trouble={answer.problem} tryAgain={retry} search={search} />;
  if (answer.end?.truncated) return <p className="citeside-notice">{label('truncated')}</p>;
  if (answer.status === 'completed') return null;
  const again = answer.end?.retry === false ? null : retry;
  if (answer.status === 'cancelled') {
    return (
      <div className="citeside-notice">
        <p>{label('stopped')}</p>
        {again && (
          <button type="button" className="citeside-button" onClick={again}>
            {label('tryAgain')}
          </button>
        )}
      </div>
    );
  }
  const code = answer.end?.code ?? (answer.status === 'interrupted' ? 'interrupted' : 'failed');
  return <Alert trouble={{code, detail: answer.end?.detail ?? ''}} tryAgain={again} search={search} />;
}

/** What the answer is busy with, in words. */
export function stepOf(answer: Answered): string {
  if (answer.waiting) return label('reconnecting');
  return label((answer.step ?? (answer.messageId ? 'answering' : 'sending')) satisfies Label);
}
