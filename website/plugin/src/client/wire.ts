/**
 * What the server sends and takes, made from schema.json: `npx vitest run client.wire -u` in website/plugin.
 *
 * Ids are UUIDs, times ISO 8601, and offsets count code points.
 */

/**
 * Everything a stream can say; `event` is the name of the frame.
 */
export type StreamEvent = TurnOpened | Status | Passages | VerdictGiven | Delta | MessageGiven | End | StreamError;

/**
 * Everything that crosses the wire.
 */
export interface Wire {
  ChatAnswer: ChatAnswer;
  Citation: Citation;
  Config: Config;
  Failure: Failure;
  FoundPassage: FoundPassage;
  Grounding: Grounding;
  Limits: Limits;
  ListedAnswer: ListedAnswer;
  MessagePage: MessagePage;
  Missing: Missing;
  NearestPage: NearestPage;
  Notice: Notice;
  Page_Thread_: ThreadPage;
  PassageRef: PassageRef;
  ReaderFeedback: ReaderFeedback;
  SearchAnswer: SearchAnswer;
  Selection: Selection;
  Selector: Selector;
  SessionGiven: SessionGiven;
  ShownAnswer: ShownAnswer;
  ShownQuestion: ShownQuestion;
  Source: Source;
  Span: Span;
  Thread: Thread;
  TurnAccepted: TurnAccepted;
  TurnState: TurnState;
  Verdict: Verdict;
  Delta: Delta;
  End: End;
  MessageGiven: MessageGiven;
  OfferedPassage: OfferedPassage;
  Passages: Passages;
  Status: Status;
  StreamError: StreamError;
  TurnOpened: TurnOpened;
  VerdictGiven: VerdictGiven;
  SentSelector: SentSelector;
  SentSource: SentSource;
  StreamEvent: StreamEvent;
  ChatRequest: ChatRequest;
}
/**
 * The stored answer of a turn.
 */
export interface ChatAnswer {
  thread_id: string;
  turn_id: string;
  message: ShownAnswer;
}
/**
 * A message of the assistant, whole; offsets in it count code points of `content`.
 */
export interface ShownAnswer {
  id: string;
  turn_id: string;
  attempt: number;
  role: 'assistant';
  content: string;
  status: 'running' | 'completed' | 'cancelled' | 'failed' | 'interrupted' | 'superseded';
  mode: 'grounded' | 'constrained';
  label: string | null;
  outcome: ('answered' | 'partial' | 'insufficient' | 'not_covered') | null;
  notices: Notice[];
  created_at: string;
  model: string | null;
  tokens: number | null;
  citations: Citation[];
  grounding: Grounding;
  verdict: Verdict | null;
  nearest: NearestPage[];
}
/**
 * Something the reader should know about how an answer came to be.
 */
export interface Notice {
  code: string;
  detail: string;
}
/**
 * Points the marker at offset `at` of the answer to the span `[start, end)` of a passage, whose text is `quote`.
 */
export interface Citation {
  marker: number;
  at: number;
  passage_id: string;
  url: string;
  path: string;
  title: string;
  heading: string;
  quote: string;
  start: number;
  end: number;
}
/**
 * What a grounded answer had before it, and the spans of its text that no cited passage supports.
 */
export interface Grounding {
  passages: PassageRef[];
  unsupported: Span[];
}
/**
 * Names a passage that an answer was given, without its text.
 */
export interface PassageRef {
  id: string;
  url: string;
  score: number;
}
/**
 * A half-open range `[start, end)` of code points in a text named by the field that holds it.
 */
export interface Span {
  start: number;
  end: number;
}
/**
 * Whether a selection answers a question; `used` are spans of the selection that do.
 */
export interface Verdict {
  verdict: 'sufficient' | 'partial' | 'insufficient';
  used: Span[];
  missing: Missing[];
  widen: ('section' | 'page' | 'docs')[];
}
/**
 * Something a selection lacks, and the least text that would supply it, described but never stated.
 */
export interface Missing {
  what: string;
  why: string;
  minimal_text: string;
}
/**
 * A page near a question that the docs do not cover.
 */
export interface NearestPage {
  url: string;
  path: string;
  title: string;
}
/**
 * What this server can do; `features` are request fields and routes that a client may use.
 *
 * A conversation is deleted `retention_days` after it was continued last; 0 keeps it.
 */
export interface Config {
  version: string;
  features: string[];
  limits: Limits;
  model: string;
  disclosures: Notice[];
  retention_days: number;
}
/**
 * The largest request, text in code points and the rest in bytes, and how many turns a session may ask (0: any).
 */
export interface Limits {
  message: number;
  selected_text: number;
  metadata: number;
  body: number;
  turns_per_minute: number;
  turns_per_hour: number;
}
/**
 * Why a turn did not complete: a stable code, and a sentence for the reader.
 */
export interface Failure {
  code: string;
  detail: string;
}
/**
 * A passage that a search found.
 */
export interface FoundPassage {
  passage_id: string;
  url: string;
  path: string;
  title: string;
  heading: string;
  text: string;
  score: number;
  coverage: number;
}
/**
 * An answer in a list, with what the reader thought of it.
 */
export interface ListedAnswer {
  id: string;
  turn_id: string;
  attempt: number;
  role: 'assistant';
  content: string;
  status: 'running' | 'completed' | 'cancelled' | 'failed' | 'interrupted' | 'superseded';
  mode: 'grounded' | 'constrained';
  label: string | null;
  outcome: ('answered' | 'partial' | 'insufficient' | 'not_covered') | null;
  notices: Notice[];
  created_at: string;
  model: string | null;
  tokens: number | null;
  citations: Citation[];
  grounding: Grounding;
  verdict: Verdict | null;
  nearest: NearestPage[];
  feedback: ReaderFeedback | null;
}
/**
 * What the reader thinks of an answer.
 */
export interface ReaderFeedback {
  rating: 'up' | 'down';
  reason: string | null;
  note: string | null;
}
/**
 * A page of messages; `after` continues the list.
 */
export interface MessagePage {
  data: (ShownQuestion | ListedAnswer)[];
  has_more: boolean;
  after: string | null;
}
/**
 * A message of the reader.
 */
export interface ShownQuestion {
  id: string;
  turn_id: string;
  attempt: number;
  role: 'user';
  content: string;
  status: 'running' | 'completed' | 'cancelled' | 'failed' | 'interrupted' | 'superseded';
  created_at: string;
  selection: Selection | null;
  source: Source | null;
  selector: Selector | null;
}
/**
 * Text the reader marked on a page, exactly as sent; the only source a constrained turn has.
 */
export interface Selection {
  text: string;
}
/**
 * The page the reader was on.
 */
export interface Source {
  url: string | null;
  path: string | null;
  title: string | null;
  heading_id: string | null;
  version: string | null;
  locale: string | null;
}
/**
 * Where on that page the selection stands, as the client said.
 */
export interface Selector {
  prefix: string | null;
  suffix: string | null;
  start: number | null;
  end: number | null;
}
export interface ThreadPage {
  data: Thread[];
  has_more: boolean;
  after: string | null;
}
/**
 * Turns in order; the title is empty until the first question or a rename gives one.
 */
export interface Thread {
  id: string;
  title: string;
  created_at: string;
  updated_at: string;
  metadata: {
    [k: string]: unknown;
  };
  running_turn_id: string | null;
}
/**
 * Passages, best first.
 */
export interface SearchAnswer {
  data: FoundPassage[];
}
/**
 * A new session and, this once, its token.
 */
export interface SessionGiven {
  session_id: string;
  token: string;
  expires_at: string;
}
/**
 * A turn that takes longer than a plain request waits.
 */
export interface TurnAccepted {
  turn_id: string;
}
/**
 * How a turn stands; `message_id` is the answer of its current attempt.
 */
export interface TurnState {
  id: string;
  thread_id: string;
  user_message_id: string;
  message_id: string;
  mode: 'grounded' | 'constrained';
  status: 'running' | 'completed' | 'cancelled' | 'failed' | 'interrupted';
  attempt: number;
  error: Failure | null;
  created_at: string;
  finished_at: string | null;
}
/**
 * A released piece of the answer's text; pieces joined give the text exactly.
 */
export interface Delta {
  event: 'delta';
  text: string;
}
/**
 * The last event: how the turn ended, and how many code points its text has.
 */
export interface End {
  event: 'end';
  status: 'completed' | 'cancelled' | 'failed' | 'interrupted';
  length: number;
  code?: string | null;
  detail?: string | null;
  retry?: boolean | null;
  truncated?: boolean | null;
}
/**
 * The answer as it is stored, after its text.
 */
export interface MessageGiven {
  id: string;
  turn_id: string;
  attempt: number;
  role: 'assistant';
  content: string;
  status: 'running' | 'completed' | 'cancelled' | 'failed' | 'interrupted' | 'superseded';
  mode: 'grounded' | 'constrained';
  label: string | null;
  outcome: ('answered' | 'partial' | 'insufficient' | 'not_covered') | null;
  notices: Notice[];
  created_at: string;
  model: string | null;
  tokens: number | null;
  citations: Citation[];
  grounding: Grounding;
  verdict: Verdict | null;
  nearest: NearestPage[];
  event: 'message';
}
/**
 * A passage given to the answerer, with the marker that cites it.
 */
export interface OfferedPassage {
  marker: number;
  id: string;
  url: string;
  path: string;
  title: string;
  heading: string;
  score: number;
}
/**
 * The passages the answer may cite, best first, sent before its text.
 */
export interface Passages {
  event: 'passages';
  passages: OfferedPassage[];
}
/**
 * The turn enters a step that takes time.
 */
export interface Status {
  event: 'status';
  step: 'condensing' | 'retrieving' | 'reading' | 'assessing' | 'answering' | 'checking';
}
/**
 * This connection must be made again; the turn is not affected.
 */
export interface StreamError {
  event: 'error';
  code: string;
  retry: boolean;
}
/**
 * The first event of a stream: which turn it is. With `reset`, what was shown of it before does not count.
 */
export interface TurnOpened {
  event: 'turn';
  thread_id: string;
  turn_id: string;
  user_message_id: string;
  message_id: string;
  mode: 'grounded' | 'constrained';
  label: string | null;
  attempt: number;
  reset: boolean;
}
/**
 * Whether the selection suffices; where a turn sends two, the last one holds.
 */
export interface VerdictGiven {
  event: 'verdict';
  verdict: Verdict;
}
/**
 * Where on that page the selection stands, for the client to find it again.
 */
export interface SentSelector {
  prefix?: string | null;
  suffix?: string | null;
  start?: number | null;
  end?: number | null;
}
/**
 * The page the reader is on.
 */
export interface SentSource {
  url?: string | null;
  path?: string | null;
  title?: string | null;
  heading_id?: string | null;
  version?: string | null;
  locale?: string | null;
}
/**
 * A question, with what the reader marked and where they are.
 */
export interface ChatRequest {
  message: string;
  session_id?: string | null;
  thread_id?: string | null;
  client_message_id?: string | null;
  selected_text?: string | null;
  selected_text_mode?: boolean | null;
  source?: SentSource | null;
  selector?: SentSelector | null;
  metadata?: {
    [k: string]: unknown;
  } | null;
}
