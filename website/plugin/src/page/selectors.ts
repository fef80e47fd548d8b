// Text of a page as a reader would select it, and the way from a span of it to the DOM and back.
// A quote is found by its letters alone: white space differs between an index, a selection and the page, and a selection
// has the capitals that a style makes of small letters.

import {codePoints} from '../client';

export interface Selector {
  prefix: string;
  suffix: string;
  start: number;
  end: number;
}

const CONTEXT = 48;
const INVISIBLE = /[\s\u00ad\u200b\u2060\ufeff]/;
/** Not text of the page: controls, and the numbers of footnotes, which the index leaves out too. */
const SKIPPED = 'button,.hash-link,[data-footnote-ref],[data-footnote-backref],script,style,noscript,svg,select,textarea';

/** The text below an element; each of its characters that stands in a text node remembers where. */
export class PageText {
  text = '';
  readonly #nodes: Text[] = [];
  readonly #offsets: number[] = [];
  readonly #at: number[] = []; // index in `text` of each character that has a node
  readonly #code: [number, number][] = [];
  #gap = '';

  /** Read what is shown below `root`; `hidden` reads closed details and the tabs that are not chosen too. */
  constructor(root: Element, hidden = false) {
    this.#walk(root, root.closest('pre') !== null, hidden);
  }

  /** Return the indices `[start, end)` in the text of what lies in a range, null when that is none of it. */
  span(range: Range): [number, number] | null {
    const first = this.#first((node, offset) => range.comparePoint(node, offset) >= 0);
    const behind = this.#first((node, offset) => range.comparePoint(node, offset + 1) > 0);
    return behind > first ? [this.#at[first]!, this.#at[behind - 1]! + 1] : null;
  }

  /** Return the range of the DOM from the first to the last character of `[start, end)`. */
  range(start: number, end: number): Range {
    const first = this.#unit(start);
    const last = this.#unit(end) - 1;
    const range = document.createRange();
    range.setStart(this.#nodes[first]!, this.#offsets[first]!);
    range.setEnd(this.#nodes[last]!, this.#offsets[last]! + 1);
    return range;
  }

  /** Return `[start, end)` with fences around what of it is code, so that who answers from it can tell. */
  quote(start: number, end: number): string {
    let quoted = '';
    let done = start;
    for (const [first, last] of this.#code) {
      const from = Math.max(first, start);
      const code = this.text.slice(from, Math.min(last, end)).trimEnd();
      if (code.trim()) {
        const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([run]) => run.length));
        const fence = '`'.repeat(longest + 1);
        quoted += `${this.text.slice(done, from)}${fence}\n${code}\n${fence}`;
        done = from + code.length;
      }
    }
    return quoted + this.text.slice(done, end);
  }

  #walk(parent: Element, pre: boolean, hidden: boolean): void {
    const closed = !hidden && parent instanceof HTMLDetailsElement && !parent.open;
    let cells = 0;
    for (const child of parent.childNodes) {
      if (closed && child.nodeName !== 'SUMMARY') {
        continue;
      }
      if (child instanceof Text) {
        this.#append(child, pre);
      } else if (child instanceof Element && !child.matches(SKIPPED)) {
        if (child.tagName === 'BR') {
          pre ? (this.text += '\n') : this.#apart('\n');
          continue;
        }
        // A highlighted line is many spans: to ask the style of each would be most of the work.
        const display = pre && child.tagName === 'SPAN' ? 'inline' : getComputedStyle(child).display;
        if (!hidden && display === 'none') {
          continue;
        }
        const inPre = pre || child.tagName === 'PRE';
        const first = this.#at.length;
        if (display === 'table-cell') {
          this.#apart(cells++ ? '\t' : '\n');
          this.#walk(child, inPre, hidden);
        } else if (/^(inline|contents|ruby)/.test(display)) {
          this.#walk(child, inPre, hidden);
        } else {
          this.#apart('\n');
          this.#walk(child, inPre, hidden);
          this.#apart('\n');
        }
        if (inPre && !pre && this.#at.length > first) {
          this.#code.push([this.#at[first]!, this.#at[this.#at.length - 1]! + 1]);
        }
      }
    }
  }

  /** Leave a gap before the next word: the wider one counts, and none stands at the start or the end. */
  #apart(gap: ' ' | '\t' | '\n'): void {
    if (this.text && !(this.#gap === '\n' || (this.#gap === '\t' && gap === ' '))) {
      this.#gap = gap;
    }
  }

  #append(node: Text, pre: boolean): void {
    const {data} = node;
    for (let offset = 0; offset < data.length; offset++) {
      const character = data[offset]!;
      if (character === '\u200b') {
        continue;
      }
      if (!pre && /\s/.test(character) && character !== '\u00a0') {
        this.#apart(' ');
        continue;
      }
      if (this.#gap && !this.text.endsWith('\n')) {
        this.text += this.#gap;
      }
      this.#gap = '';
      this.#nodes.push(node);
      this.#offsets.push(offset);
      this.#at.push(this.text.length);
      this.text += character;
    }
  }

  /** Index of the first character, in document order, for which a test holds that holds for all behind it. */
  #first(holds: (node: Text, offset: number) => boolean): number {
    return bisect(this.#nodes.length, (unit) => holds(this.#nodes[unit]!, this.#offsets[unit]!));
  }

  #unit(index: number): number {
    return bisect(this.#at.length, (unit) => this.#at[unit]! >= index);
  }
}

/** Describe the span `[start, end)` of a text by its place, in code points, and by what stands around it. */
export function selectorOf(text: string, start: number, end: number): Selector {
  return {
    prefix: [...text.slice(Math.max(0, start - 2 * CONTEXT), start)].slice(-CONTEXT).join(''),
    suffix: [...text.slice(end, end + 2 * CONTEXT)].slice(0, CONTEXT).join(''),
    start: codePoints(text.slice(0, start)),
    end: codePoints(text.slice(0, end)),
  };
}

const FENCED = /^(`{3,})\n([^]*?)\n\1$/gm;

/** Return a quote with blanks for its fences, as long as before. */
export function unfenced(quote: string): string {
  return quote.replace(FENCED, (_, fence: string, code: string) => {
    const blanks = ' '.repeat(fence.length);
    return `${blanks}\n${code}\n${blanks}`;
  });
}

/** Return the parts of a quote in their order, code apart from text. */
export function partsOf(quote: string): {code: boolean; text: string}[] {
  return quote
    .split(FENCED) // text, fence, code, text, fence, code, ..., text
    .map((text, index) => ({code: index % 3 === 2, text: index % 3 === 1 ? '' : text.replace(/^\n|\n$/g, '')}))
    .filter(({text}) => text);
}

/** A text in small letters without white space, and the index of each of its characters in the text it was made of. */
export interface Letters {
  text: string;
  at: number[];
}

export function letters(text: string): Letters {
  const at: number[] = [];
  let kept = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (!INVISIBLE.test(character)) {
      const small = character.toLowerCase();
      kept += small.length === 1 ? small : character; // "İ" would become two
      at.push(index);
    }
  }
  return {text: kept, at};
}

/**
 * Return where a quote begins in the letters of a page, or -1.
 *
 * Of several places the one with most of the quote's own surroundings wins, then the first at or behind `from`.
 */
export function seek(page: Letters, quote: {text: string; prefix?: string; suffix?: string}, from = 0): number {
  const wanted = letters(quote.text).text;
  const before = letters(quote.prefix ?? '').text;
  const after = letters(quote.suffix ?? '').text;
  let best = -1;
  let most = -1;
  for (let at = wanted ? page.text.indexOf(wanted) : -1; at >= 0; at = page.text.indexOf(wanted, at + 1)) {
    const near =
      common(before.length, (i) => before[before.length - 1 - i] === page.text[at - 1 - i]) +
      common(after.length, (i) => after[i] === page.text[at + wanted.length + i]);
    if (near > most || (near === most && best < from && at >= from)) {
      best = at;
      most = near;
    }
  }
  return best;
}

function common(length: number, same: (index: number) => boolean): number {
  let count = 0;
  while (count < length && same(count)) {
    count++;
  }
  return count;
}

function bisect(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
