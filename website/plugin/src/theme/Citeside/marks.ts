// Finds where in an answer's text the citations and the unsupported sentences stand, in UTF-16 as tokens need them.

import {utf16} from 'docusaurus-plugin-citeside/client';
import type {Answer} from './conversation';

/** What a citation marker leads to; the quote is known once the answer is stored. */
export interface Cited {
  marker: number;
  url: string;
  path: string;
  title: string;
  heading: string;
  quote: string;
}

export interface Marks {
  /** The source of the marker `[marker]` at this index of the text, or null where it is just text. */
  cited(marker: number, index: number): Cited | null;
  unsupported: {start: number; end: number}[];
}

export function marksOf(stored: Answer['stored'], passages: Answer['passages']): Marks {
  if (!stored) {
    // While the text streams, a number of an offered passage is taken for its marker.
    const offered = new Map(passages.map((passage) => [passage.marker, {...passage, quote: ''}]));
    return {cited: (marker) => offered.get(marker) ?? null, unsupported: []};
  }
  const text = stored.content;
  const at = new Map(stored.citations.map((citation) => [utf16(text, citation.at), citation]));
  return {
    cited(marker, index) {
      const citation = at.get(index);
      return citation?.marker === marker ? citation : null;
    },
    unsupported: (stored.grounding.unsupported ?? []).map((span) => ({start: utf16(text, span.start), end: utf16(text, span.end)})),
  };
}

/** The sources of an answer, each marker once, in the order of the markers. */
export function sourcesOf(stored: Answer['stored'], passages: Answer['passages']): Cited[] {
  const all: Cited[] = stored ? stored.citations : passages.map((passage) => ({...passage, quote: ''}));
  const byMarker = new Map<number, Cited>();
  for (const one of all) if (!byMarker.has(one.marker)) byMarker.set(one.marker, one);
  return [...byMarker.values()].sort((a, b) => a.marker - b.marker);
}
