/** What went wrong with a request, as the server's problem documents say it. */

interface Told {
  status: number;
  code: string;
  detail: string;
  retryAfter?: number | undefined;
  turnId?: string | undefined;
}

/**
 * An answer that is an error, or none at all: then the code is `network` and the status 0.
 * A program looks at `code`; a person reads `detail`, which is English.
 */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Seconds after which to try again. */
  readonly retryAfter: number | undefined;
  /** The turn that the problem is about. */
  readonly turnId: string | undefined;

  constructor({status, code, detail, retryAfter, turnId}: Told) {
    super(detail);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.turnId = turnId;
  }

  /**
   * Whether the same request may succeed in a moment: nothing answered, or something that is away for a while. A limit or
   * a pause takes longer than a reader should be kept waiting without a word.
   */
  get passes(): boolean {
    return [0, 502, 503, 504].includes(this.status) && this.code !== 'paused';
  }
}

/** Returns the problem of a request that nothing answered. */
export function unanswered(cause: unknown): Problem {
  return new Problem({status: 0, code: 'network', detail: cause instanceof Error ? cause.message : String(cause)});
}

/** Reads a response that is not ok. What stands before the server may have written it, so it can be anything. */
export async function problemOf(response: Response): Promise<Problem> {
  const told: unknown = await response.json().catch(() => null);
  const body: Record<string, unknown> = typeof told === 'object' && told !== null ? {...told} : {};
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const seconds = Number(body.retry_after ?? response.headers.get('retry-after') ?? NaN);
  return new Problem({
    status: response.status,
    code: text(body.code) ?? 'http_error',
    detail: text(body.detail) ?? `${response.status} ${response.statusText}`.trim(),
    retryAfter: Number.isFinite(seconds) ? seconds : undefined,
    turnId: text(body.turn_id),
  });
}
