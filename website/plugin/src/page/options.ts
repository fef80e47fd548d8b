// The plugin's options as they reach the page: checked and completed on the Node side, carried by Docusaurus's global data.

/** Code points of a quote that a server takes. */
export const LONGEST = 20_000;

export interface PanelOptions {
  /** Address of the Citeside server, without a slash at its end. */
  apiUrl: string;
  /** What OpenAI gave the site's domain; ChatKit does not load without it. */
  domainKey?: string;
  /** `mod`, `alt`, `shift` in this order and a key, joined by `+`; `mod` is Ctrl or Cmd. */
  shortcut: string | false;
  starters: string[];
  /** Texts that replace the built-in ones, by message id without `citeside.`. */
  labels: Record<string, string>;
  /** Paths below the base URL, with a slash at the start and none at the end. */
  disabledRoutes: string[];
  privacyNote?: string;
}

declare global {
  interface Window {
    /** Set by a site whose server has CITESIDE_VERIFY: resolves to what is sent as `proof` for a new session. */
    citesideProof?: () => Promise<string>;
  }
}
