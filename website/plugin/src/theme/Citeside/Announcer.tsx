// Reads the answer to screen readers sentence by sentence, as it grows, instead of token by token.

import {useEffect, useRef, useState} from 'react';
import type {Turn} from './conversation';
import {finished} from './spoken';

const EVERY = 1000; // ms between announcements, so that none cuts off the one before

export function Announcer({turn}: {turn: Turn | undefined}) {
  const [said, setSaid] = useState<{count: number; text: string}[]>([]);
  const begun = useRef({key: '', attempt: 0, at: 0});
  const latest = useRef(turn);
  latest.current = turn;
  const running = turn?.answer.status === 'running';
  useEffect(() => {
    if (!running) return;
    const say = (ended: boolean) => {
      const now = latest.current;
      if (!now) return;
      const {key, answer} = now;
      if (begun.current.key !== key || begun.current.attempt !== answer.attempt) {
        begun.current = {key, attempt: answer.attempt, at: 0};
      }
      const {spoken, next} = finished(answer.text, begun.current.at, ended);
      begun.current.at = next;
      // Two at most: what was read is not read again, and nothing grows.
      if (spoken) setSaid((before) => [...before.slice(-1), {count: (before.at(-1)?.count ?? 0) + 1, text: spoken}]);
    };
    const timer = setInterval(() => say(false), EVERY);
    return () => {
      clearInterval(timer);
      say(true);
    };
  }, [running, turn?.key]);
  return (
    <div className="citeside-hidden" aria-live="polite" aria-relevant="additions">
      {said.map(({count, text}) => (
        <p key={count}>{text}</p>
      ))}
    </div>
  );
}
