// Cuts Markdown into blocks; while a text grows, only its end is read again.

import {Lexer} from 'marked';
import type {Token} from 'marked';

/** A top-level token and where it starts in the text. */
export interface Block {
  start: number;
  token: Token;
}

/** The last blocks of a growing text may still change: a line below makes a heading or a table of a paragraph. */
const UNSETTLED = 2;

export class Blocks {
  private settled: Block[] = [];
  private settledText = '';

  /** The blocks of `text`; `growing` texts keep what was settled before. */
  of(text: string, growing: boolean): Block[] {
    if (!growing || !text.startsWith(this.settledText)) {
      this.settled = [];
      this.settledText = '';
    }
    const tail = lexed(text, this.settledText.length);
    const blocks = [...this.settled, ...tail];
    const next = tail.at(-UNSETTLED);
    if (growing && next) {
      this.settled = blocks.slice(0, -UNSETTLED);
      this.settledText = text.slice(0, next.start);
    }
    return blocks;
  }
}

function lexed(text: string, from: number): Block[] {
  // The lexer makes \n of \r\n, and places would shift: a space in place of \r keeps them and means nothing.
  const source = text.slice(from).replace(/\r\n/g, ' \n');
  let start = from;
  const blocks: Block[] = [];
  for (const token of new Lexer({gfm: true}).lex(source)) {
    if (token.type !== 'space') blocks.push({start, token});
    start += token.raw.length;
  }
  return blocks;
}
