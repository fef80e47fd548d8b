// Passages in the page: takes a quote from it, finds one again, shows it to the reader, and widens it.

import type {Quote} from '../client';
import {codePoints, utf16} from '../client';
import {LONGEST} from './options';
import {type Letters, letters, PageText, seek, selectorOf, unfenced} from './selectors';
import {addressOf, articleOf, headingOf, inThisBuild, root, same, textOf, visit, where} from './site';
import {adopt} from './style';

const CITED = 'citeside-cite';
const USED = 'citeside-used';
const WANTED = 'citeside-wanted';
const ARRIVAL_MS = 5_000;
const RENDER_MS = 2_000;
/** Fewer letters than this would be found anywhere. */
const TELLING = 12;

let styled = false;

/** Make a quote of what the reader marked; `text` is the selection as the browser gives it, which is kept if it has no code. */
export function capture(range: Range, text: string): Quote {
  const article = articleOf(range.startContainer);
  const page = article && new PageText(article);
  const span = page?.span(range);
  const heading = textOf(headingOf(range));
  const quoted = page && span ? page.quote(...span) : '';
  const fenced = unfenced(quoted) !== quoted && codePoints(quoted) <= LONGEST;
  return {
    text: fenced ? quoted : text,
    source: where(range),
    selector: page && span ? selectorOf(page.text, ...span) : null,
    ...(heading && {heading}),
  };
}

interface Cited {
  path: string;
  quote: string;
}

/** Go to a cited page, open what hides the quote, scroll to it and highlight it. False when the page lacks it. */
export async function reveal(target: Cited): Promise<boolean> {
  const to = addressOf(target.path);
  if (!inThisBuild(to)) {
    keep(target);
  }
  const arrived = same(to.pathname, location.pathname) ? undefined : arrival();
  visit(target.path);
  await arrived;
  return highlight(target.quote, to);
}

/** Show the quote that led to this page from another build of the site, such as that of another locale. */
export async function revealWanted(): Promise<void> {
  const target = wanted();
  const to = target && addressOf(target.path);
  if (to && same(to.pathname, location.pathname)) {
    await soon(() => document.documentElement.dataset.hasHydrated === 'true'); // else React would replace what was found
    await highlight(target.quote, to);
  }
}

function keep(target: Cited): void {
  try {
    sessionStorage.setItem(WANTED, JSON.stringify(target));
  } catch {
    // Storage is blocked: the page is shown, and the quote in it is not.
  }
}

function wanted(): Cited | null {
  try {
    const kept = sessionStorage.getItem(WANTED);
    sessionStorage.removeItem(WANTED);
    return JSON.parse(kept ?? 'null') as Cited | null;
  } catch {
    return null;
  }
}

async function highlight(quote: string, to: URL): Promise<boolean> {
  const anchor = decodeURIComponent(to.hash.slice(1));
  const found = await soon(() => search(quote, anchor));
  const range = found && uncover(found) ? await soon(() => search(quote, anchor)) : found;
  if (!range) {
    return false;
  }
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  range.startContainer.parentElement!.scrollIntoView({block: 'center', behavior: still ? 'auto' : 'smooth'});
  if (!paint(CITED, [range])) {
    const selection = getSelection()!;
    selection.removeAllRanges();
    selection.addRange(range);
  }
  return true;
}

/** Return a link that has any browser scroll to the quote and highlight it: `#anchor:~:text=...`. */
export function shareLink(target: {url: string; quote: string}): string {
  const words = target.quote.trim().split(/\s+/);
  // The words of one text= must stand in one block; a long or many-lined quote is named by its two ends.
  const ends = words.length > 12 || (/[\n\t]/.test(target.quote) && words.length > 1);
  const few = Math.min(5, Math.floor(words.length / 2));
  const parts = ends ? [words.slice(0, few), words.slice(-few)] : [words];
  const text = parts.map((part) => encodeURIComponent(part.join(' ')).replace(/-/g, '%2D')).join(',');
  return `${target.url}${target.url.includes('#') ? '' : '#'}:~:text=${text}`;
}

/** Highlight the spans of a quote that an answer used; offsets are code points of the quote's text. */
export function mark(quote: Quote, used: {start: number; end: number}[]): void {
  const found = findQuote(quote);
  if (found) {
    const {page, sought, at} = found;
    const text = unfenced(quote.text);
    const before = (codePoint: number) => letters(text.slice(0, utf16(text, codePoint))).text.length;
    const spans = used.map(({start, end}) => [at + before(start), at + before(end)] as const);
    paint(USED, spans.filter(([start, end]) => end > start).map(([start, end]) => rangeOf(page, sought, start, end)));
  }
}

export function clearMarks(): void {
  CSS.highlights?.delete(USED);
  CSS.highlights?.delete(CITED);
}

/** Widen a quote to the section around it: from the heading above it to the next one of that rank. */
export function section(quote: Quote): Quote | null {
  const found = findQuote(quote);
  if (!found) {
    return null;
  }
  const {article, page, sought, at} = found;
  const inner = rangeOf(page, sought, at, at + letters(unfenced(quote.text)).text.length);
  const heading = headingOf(inner);
  const around = document.createRange();
  around.selectNodeContents(article);
  if (heading) {
    around.setStartBefore(heading);
  }
  const next = [...article.querySelectorAll('h1,h2,h3,h4,h5,h6')].find(
    (other) => inner.comparePoint(other, 0) > 0 && (!heading || other.tagName <= heading.tagName),
  );
  if (next) {
    around.setEndBefore(next);
  }
  return widened(quote, page, page.span(around), heading);
}

/** Widen a quote to the whole article it stands in. */
export function pageText(quote: Quote): Quote | null {
  const article = onItsPage(quote) ? articleOf() : null;
  const page = article && new PageText(article);
  return page?.text ? widened(quote, page, [0, page.text.length], null) : null;
}

function widened(quote: Quote, page: PageText, span: [number, number] | null, heading: HTMLElement | null): Quote | null {
  if (!span) {
    return null;
  }
  const {heading_id: _, ...source} = quote.source;
  return {
    text: page.quote(...span),
    source: heading?.id ? {...source, heading_id: heading.id} : source,
    selector: selectorOf(page.text, ...span),
    ...(heading && {heading: textOf(heading)}),
  };
}

function findQuote(quote: Quote): {article: Element; page: PageText; sought: Letters; at: number} | null {
  const article = onItsPage(quote) ? articleOf() : null;
  if (!article) {
    return null;
  }
  const page = new PageText(article);
  const sought = letters(page.text);
  const at = seek(sought, {text: unfenced(quote.text), prefix: quote.selector?.prefix ?? '', suffix: quote.selector?.suffix ?? ''});
  return at < 0 ? null : {article, page, sought, at};
}

function onItsPage(quote: Quote): boolean {
  return same(root() + quote.source.path, location.pathname);
}

/**
 * Look for a cited quote in the article: in what is shown, then in what is hidden, below its anchor first. Where the
 * docs have changed since they were indexed, the longest sentence that is left will do.
 */
function search(quote: string, anchor: string): Range | null {
  const article = articleOf();
  if (!article) {
    return null;
  }
  const heading = anchor && document.getElementById(anchor);
  const pages = [false, true].map((hidden) => {
    const page = new PageText(article, hidden);
    const sought = letters(page.text);
    const span = heading && article.contains(heading) ? page.span(contents(heading)) : null;
    return {page, sought, from: span ? sought.at.findIndex((index) => index >= span[0]) : 0};
  });
  const sentences = quote.split(/\n|(?<=[.!?])\s+/).sort((one, other) => other.length - one.length);
  for (const text of [quote, ...sentences.filter((sentence) => letters(sentence).text.length >= TELLING)]) {
    for (const {page, sought, from} of pages) {
      const at = seek(sought, {text}, from);
      if (at >= 0) {
        return rangeOf(page, sought, at, at + letters(text).text.length);
      }
    }
  }
  return null;
}

function rangeOf(page: PageText, {at}: Letters, start: number, end: number): Range {
  return page.range(at[start]!, at[end - 1]! + 1);
}

function contents(node: Node): Range {
  const range = document.createRange();
  range.selectNodeContents(node);
  return range;
}

/** Open the tabs and details that a range lies in, and tell whether any was closed. */
function uncover(range: Range): boolean {
  let opened = false;
  for (let element = range.startContainer.parentElement; element; element = element.parentElement) {
    if (element instanceof HTMLDetailsElement && (!element.open || element.dataset.collapsed === 'true')) {
      // Docusaurus keeps a state beside the attribute, and changes both when the summary is clicked.
      element.dataset.collapsed ? element.querySelector('summary')?.click() : (element.open = true);
      opened = true;
    } else if (element.role === 'tabpanel' && element.hidden) {
      const panels = [...element.parentElement!.children];
      const tabs = element.closest('.tabs-container')?.querySelectorAll<HTMLElement>(':scope > [role=tablist] > [role=tab]');
      tabs?.[panels.indexOf(element)]?.click();
      opened = true;
    }
  }
  return opened;
}

/** Highlight ranges without touching the DOM that React owns. False where the browser cannot. */
function paint(name: string, ranges: Range[]): boolean {
  if (!CSS.highlights) {
    return false;
  }
  if (!styled) {
    styled = true;
    adopt(`::highlight(${CITED}){background:#ffe58a;color:#1c1e21}::highlight(${USED}){background:#cdeac0;color:#1c1e21}`);
  }
  CSS.highlights.set(name, new Highlight(...ranges));
  return true;
}

/** Wait for Docusaurus to have put the new page in place of the old one. */
function arrival(): Promise<void> {
  return new Promise((resolve) => {
    document.addEventListener('citeside:route', () => resolve(), {once: true});
    setTimeout(resolve, ARRIVAL_MS);
  });
}

/** Try until there is a result: code blocks and tabs are put in a second time once a page has come to life. */
async function soon<T>(attempt: () => T | null): Promise<T | null> {
  const end = performance.now() + RENDER_MS;
  for (;;) {
    const result = attempt();
    if (result || performance.now() > end) {
      return result;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
