// @vitest-environment jsdom
// Links to a quote, and a quote widened to what stands around it.

import {beforeEach, describe, expect, it} from 'vitest';

import type {Quote} from '../src/client';
import {capture, mark, pageText, reveal, section, shareLink} from '../src/page/passage';
import {visit, where} from '../src/page/site';

const quote = (text: string): Quote => ({text, source: where(), selector: null});

describe('a share link', () => {
  it('writes hyphens as %2D, which browsers would take for the end of a prefix', () => {
    expect(shareLink({url: 'https://d.test/a/#b', quote: 'Use `--split-x`, now.'})).toBe(
      'https://d.test/a/#b:~:text=Use%20%60%2D%2Dsplit%2Dx%60%2C%20now.',
    );
  });

  it('names a quote of several blocks by its two ends', () => {
    expect(shareLink({url: 'https://d.test/a/', quote: 'one two\nthree four'})).toBe(
      'https://d.test/a/#:~:text=one%20two,three%20four',
    );
  });
});

describe('a quote', () => {
  beforeEach(() => {
    history.replaceState(null, '', '/project/docs/a/');
    document.body.innerHTML =
      '<article><div class="markdown"><h1>Title</h1><p>Intro.</p><h2 id="one">One</h2><p>First.</p><h3 id="sub">Sub</h3>' +
      '<p>Deep.</p><h2 id="two">Two</h2><p>Last.</p></div></article>';
  });

  it('is widened to its section with all below it', () => {
    expect(section(quote('First.'))).toMatchObject({
      text: 'One\nFirst.\nSub\nDeep.',
      heading: 'One',
      source: {path: 'docs/a/', heading_id: 'one'},
      selector: {prefix: 'Title\nIntro.\n', suffix: '\nTwo\nLast.'},
    });
    expect(section(quote('Deep.'))?.text).toBe('Sub\nDeep.');
  });

  it('is widened to its page', () => {
    expect(pageText(quote('Deep.'))?.text).toBe('Title\nIntro.\nOne\nFirst.\nSub\nDeep.\nTwo\nLast.');
  });

  it('with code has fences around it, and what an answer used of it is marked', () => {
    document.querySelector('p')!.insertAdjacentHTML('afterend', '<pre>run <b>it</b>\nnow</pre><p>Done.</p>');
    const range = document.createRange();
    range.setStart(document.querySelector('p')!.firstChild!, 0);
    range.setEnd(document.querySelectorAll('p')[1]!.firstChild!, 4);
    const taken = capture(range, 'as the browser gives it');
    expect(taken).toMatchObject({text: 'Intro.\n```\nrun it\nnow\n```\nDone', selector: {prefix: 'Title\n', suffix: '.\nOne\nFirst.\nSub\nDeep.\nTwo\nLast.'}});
    expect(section(taken)?.text).toContain('```\nrun it\nnow\n```\nDone.\nOne');
    const marked: Range[] = [];
    class Highlight { constructor(...ranges: Range[]) { marked.push(...ranges); } }
    Object.assign(globalThis, {Highlight, CSS: {highlights: new Map()}});
    const used = (text: string) => ({start: taken.text.indexOf(text), end: taken.text.indexOf(text) + text.length});
    mark(taken, [used('run it\nnow'), used('Done')]);
    expect(marked.map(String)).toEqual(['run it\nnow', 'Done']);
  });

  it('without code is what the browser gave', () => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector('p')!);
    expect(capture(range, 'INTRO.').text).toBe('INTRO.');
  });

  it('of another page is not widened', () => {
    const elsewhere = {...quote('First.'), source: {...where(), path: 'docs/b/'}};
    expect([section(elsewhere), pageText(elsewhere)]).toEqual([null, null]);
  });
});

describe('a visit', () => {
  it('stays in the application and below its base URL', () => {
    let told = 0;
    addEventListener('popstate', () => told++);
    visit('docs/b/#c');
    visit('//evil.test/');
    expect([told, location.href]).toEqual([2, 'http://localhost:3000/project/evil.test/']);
  });
});

describe('a citation', () => {
  it('to a quote of which the docs kept one sentence reveals that sentence, hidden or not', async () => {
    history.replaceState(null, '', '/project/docs/a/');
    Element.prototype.scrollIntoView = () => {};
    globalThis.matchMedia = () => ({matches: true}) as MediaQueryList;
    Object.assign(globalThis, {CSS: {}}); // no Highlight API: the selection takes its place
    document.body.innerHTML =
      '<article><div class="markdown"><h1>A</h1><details><summary>More</summary><p>It holds ten pages at most.</p></details></div></article>';
    expect(await reveal({path: 'docs/a/', quote: 'Words that are gone. It holds ten pages at most.'})).toBe(true);
    expect([getSelection()!.toString(), document.querySelector('details')!.open]).toEqual([
      'It holds ten pages at most.',
      true,
    ]);
  });
});
