/** Speaks to a Citeside server, for any front end: no framework, no document. */

export type * from './wire';
export {createClient, type Client, type Question, type Quote, type Where} from './api';
export {codePoints, utf16} from './offsets';
export {Problem} from './problem';
export {browserStore, type Store} from './session';
export type {StreamItem, TurnStream} from './stream';
