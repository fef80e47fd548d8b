// Decides which links of an answer may be followed, and how they are told apart.

export interface SafeLink {
  href: string;
  /** The host of a foreign site, to be shown beside the link; empty for our own site and for mail. */
  host: string;
}

/** A link to follow, or null: only absolute http(s) and mailto addresses are. */
export function safeLink(href: string): SafeLink | null {
  let url: URL;
  try {
    url = new URL(href);
  } catch {
    return null;
  }
  if (url.protocol === 'mailto:') return {href: url.href, host: ''};
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
  return {href: url.href, host: url.host === location.host ? '' : url.host};
}
