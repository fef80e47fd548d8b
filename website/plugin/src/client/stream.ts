/** Reads the events of a turn, over as many connections as it takes. */

import {createParser, type EventSourceMessage} from 'eventsource-parser';
import {Problem, unanswered} from './problem';
import type {StreamError, StreamEvent} from './wire';

/** An event with the cursor after it, or word that the connection is lost and is being made again. */
export type StreamItem =
  {kind: 'event'; event: StreamEvent; cursor: string} | {kind: 'waiting'; attempt: number; problem: Problem | null};

/**
 * The events of one turn. Iteration ends after `end`, and throws a `Problem` that no repetition mends.
 * Leaving it, or `close`, stops the reading; the turn goes on.
 */
export interface TurnStream extends AsyncIterable<StreamItem> {
  close(): void;
}

/** How far a reader is. Without a turn it still has to be asked for. */
export interface Place {
  turnId: string | null;
  cursor: string | null;
}

/** Asks for the events behind a place. Throws a `Problem` for an answer that is not a stream. */
export type Connect = (place: Readonly<Place>, signal: AbortSignal) => Promise<Response>;

/** Milliseconds, but for `tries`: how often a turn is asked for that the server has not confirmed. */
export const PATIENCE = {silence: 30_000, shortest: 500, longest: 10_000, tries: 4};

export function turnStream(
  start: Place,
  connect: Connect,
  {now, patience = PATIENCE}: {now: () => number; patience?: typeof PATIENCE},
): TurnStream {
  const closing = new AbortController();
  const closed = closing.signal;

  async function* items(): AsyncGenerator<StreamItem> {
    const place = {...start};
    let failures = 0;
    while (!closed.aborted) {
      const line = new Line(closed, patience.silence, now);
      let problem: Problem | null = null;
      try {
        const response = await line.orDead(connect(place, line.signal));
        place.turnId ??= response.headers.get('citeside-turn-id');
        for await (const frame of frames(response, line)) {
          const event = eventOf(frame);
          if (event?.event === 'error') throw failed(event);
          if (event?.event === 'turn') place.turnId = event.turn_id;
          if (frame.id && frame.id !== place.cursor) {
            place.cursor = frame.id;
            failures = 0;
          }
          if (closed.aborted) return;
          if (event) yield {kind: 'event', event, cursor: place.cursor ?? ''};
          if (event?.event === 'end') return;
        }
      } catch (error) {
        const cause: unknown = line.signal.aborted ? line.signal.reason : error;
        problem = cause instanceof Problem ? cause : unanswered(cause);
      } finally {
        line.hangUp();
      }
      if (closed.aborted) return;
      failures++;
      if (problem && !problem.passes) throw problem;
      if (place.turnId === null && failures >= patience.tries) throw problem ?? unanswered('No events came.');
      yield {kind: 'waiting', attempt: failures, problem};
      await pause(backOff(failures, problem, patience), closed);
    }
  }

  return {close: () => closing.abort(), [Symbol.asyncIterator]: items};
}

/** One connection. It is dead when it stays silent for too long, or when its reader has left. */
class Line {
  private readonly controller = new AbortController();
  private readonly quiet: () => void;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private heardAt: number;
  readonly signal = this.controller.signal;

  constructor(
    private readonly closed: AbortSignal,
    private readonly silence: number,
    private readonly now: () => number,
  ) {
    this.heardAt = now();
    closed.addEventListener('abort', this.hangUp);
    // Timers stand still while a computer sleeps: the clock is asked again when it wakes.
    this.quiet = onWake(this.check);
    this.check();
  }

  /** Says that something came, if only a ping. */
  heard(): void {
    this.heardAt = this.now();
  }

  /** Waits no longer than the connection lives: what is awaited may not know of it, such as another tab's lock. */
  orDead<T>(awaited: Promise<T>): Promise<T> {
    const dead = new Promise<never>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error));
    });
    return Promise.race([awaited, dead]);
  }

  readonly hangUp = (): void => {
    clearTimeout(this.timer);
    this.quiet();
    this.closed.removeEventListener('abort', this.hangUp);
    this.controller.abort();
  };

  private readonly check = (): void => {
    clearTimeout(this.timer);
    const left = this.heardAt + this.silence - this.now();
    if (left > 0) this.timer = setTimeout(this.check, left);
    else this.controller.abort(unanswered(`Nothing came for ${this.silence / 1000} s.`));
  };
}

async function* frames(response: Response, line: Line): AsyncGenerator<EventSourceMessage> {
  if (!response.body) return;
  const arrived: EventSourceMessage[] = [];
  const parser = createParser({onEvent: (frame) => void arrived.push(frame)});
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    line.heard();
    parser.feed(decoder.decode(value, {stream: true}));
    yield* arrived.splice(0);
  }
}

const KNOWN: Record<StreamEvent['event'], true> = {
  turn: true,
  status: true,
  passages: true,
  verdict: true,
  delta: true,
  message: true,
  end: true,
  error: true,
};

/** Reads a frame; null for an event that a newer server knows and this client does not. */
function eventOf({event, data}: EventSourceMessage): StreamEvent | null {
  if (event === undefined || !Object.hasOwn(KNOWN, event)) return null;
  return {...(JSON.parse(data) as object), event} as StreamEvent;
}

/** Returns what the answer to a new connection would be. */
function failed({code, retry}: StreamError): Problem {
  return new Problem({status: retry ? 503 : 404, code, detail: 'The stream broke off.'});
}

function backOff(failures: number, problem: Problem | null, {shortest, longest}: typeof PATIENCE): number {
  const delay = shortest * 2 ** (failures - 1) * (0.5 + Math.random() / 2);
  return Math.min(longest, Math.max(delay, (problem?.retryAfter ?? 0) * 1000));
}

/** Waits, until the network or the reader comes back at the latest. */
function pause(milliseconds: number, closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      quiet();
      closed.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const quiet = onWake(done);
    closed.addEventListener('abort', done);
    if (closed.aborted) done();
  });
}

/** Calls `act` when the network comes back or the page is looked at again; returns what ends that. */
function onWake(act: () => void): () => void {
  const woken = (): void => {
    if (!globalThis.document?.hidden) act();
  };
  // `visibilitychange` bubbles up from the document.
  for (const name of ['online', 'visibilitychange']) globalThis.addEventListener?.(name, woken);
  return () => {
    for (const name of ['online', 'visibilitychange']) globalThis.removeEventListener?.(name, woken);
  };
}
