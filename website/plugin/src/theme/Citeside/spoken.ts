// Cuts a streaming answer into what a screen reader should say: whole sentences, without the signs of Markdown.

/** The finished sentences of `text` from `from` on, and where the next ones begin. */
export function finished(text: string, from: number, ended: boolean): {spoken: string; next: number} {
  if (ended) return {spoken: plain(text.slice(from)), next: text.length};
  let next = from;
  for (const end of text.slice(from).matchAll(/[.!?…:。！？](?:\s*\[\d+\])*["')\]]*(?=\s)|\n\s*\n/g)) {
    next = from + end.index + end[0].length;
  }
  return {spoken: plain(text.slice(from, next)), next};
}

function plain(markdown: string): string {
  return markdown
    .replace(/^(`{3,}|~{3,}).*$/gm, '')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\s*\[\d+\]/g, '')
    .replace(/^\s*(?:#+|>|[-*+]|\|)\s*/gm, '')
    .replace(/[*`|]+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
