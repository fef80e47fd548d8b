// What the page and the panel know of each other.

import type {Quote} from '../client';

/** What a panel is opened with: a quote to ask about, or a question written out but not sent. */
export interface Request {
  quote?: Quote;
  draft?: string;
}

export interface PanelHandle {
  open(request?: Request): void;
  close(): void;
  isOpen(): boolean;
}

export interface Controls {
  /** Called by the panel once it has closed: the launcher is shown again and the focus goes back. */
  onClose(): void;
}

export type Mount = (host: HTMLElement, controls: Controls) => PanelHandle;
