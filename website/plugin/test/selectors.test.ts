// @vitest-environment jsdom
// Finding a quote again, and saying where it stands: whatever the white space, and in code points.

import {describe, expect, it} from 'vitest';

import {letters, PageText, partsOf, seek, selectorOf, unfenced} from '../src/page/selectors';

function page(html: string): PageText {
  document.body.innerHTML = `<article>${html}</article>`;
  return new PageText(document.querySelector('article')!);
}

describe('the text of a page', () => {
  it('is what a reader would select', () => {
    const text = page(
      '<h2>Limits<a class="hash-link">\u200b</a></h2>\n<p>At most\n  <b>ten</b> pages.</p><ul><li>one</li><li>two</li></ul>' +
        '<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></tbody></table>' +
        '<pre><code><span>x = 1</span><br><br><span>  y</span><br></code></pre><button>Copy</button>' +
        '<div hidden>Windows</div><details><summary>More</summary>Hidden</details>',
    ).text;
    expect(text).toBe('Limits\nAt most ten pages.\none\ntwo\na\tb\nc\td\nx = 1\n\n  y\nMore');
  });

  it('leads back to the DOM', () => {
    const read = page('<p>A <b>b</b>old 😀 word.</p><p>Next.</p>');
    const range = read.range(2, read.text.indexOf(' word'));
    expect(range.toString()).toBe('bold 😀');
    expect(read.span(range)).toEqual([2, 9]);
  });

  it('has no span for a selection of nothing but controls', () => {
    const read = page('<p>A</p><button>Copy</button>');
    const range = document.createRange();
    range.selectNodeContents(document.querySelector('button')!);
    expect(read.span(range)).toBeNull();
  });
});

describe('code in a quote', () => {
  const read = () =>
    page(
      '<p>Start it:</p><div><pre><code><span>npm ci</span><br><span>  npm start</span><br></code></pre></div>' +
        '<ul><li>Or:<pre>```js\nx()\n```\n</pre></li></ul><p>Then wait.</p>',
    );

  it('stands in fences, longer than any in it', () => {
    const {text} = read();
    const quote = read().quote(0, text.length);
    expect(quote).toBe('Start it:\n```\nnpm ci\n  npm start\n```\nOr:\n````\n```js\nx()\n```\n````\nThen wait.');
    expect(partsOf(quote)).toEqual([
      {code: false, text: 'Start it:'},
      {code: true, text: 'npm ci\n  npm start'},
      {code: false, text: 'Or:'},
      {code: true, text: '```js\nx()\n```'},
      {code: false, text: 'Then wait.'},
    ]);
  });

  it('that was marked in part is code still, and none marked is none', () => {
    const {text} = read();
    const at = text.indexOf('ci');
    expect(read().quote(at, text.indexOf('start') + 5)).toBe('```\nci\n  npm start\n```');
    expect(read().quote(0, 9)).toBe('Start it:');
    expect(read().quote(text.indexOf('Then'), text.length)).toBe('Then wait.');
  });

  it('is found again without its fences, which are blanks of their length', () => {
    const {text} = read();
    const quote = read().quote(0, text.length);
    const bare = unfenced(quote);
    expect([bare.length, letters(bare).text]).toEqual([quote.length, letters(text).text]);
  });
});

describe('a selector', () => {
  it('counts code points and never cuts one in two', () => {
    const text = `${'😀'.repeat(60)}quote${'🎉'.repeat(60)}`;
    expect(selectorOf(text, 120, 125)).toEqual({
      prefix: '😀'.repeat(48),
      suffix: '🎉'.repeat(48),
      start: 60,
      end: 65,
    });
  });
});

describe('a quote', () => {
  const found = (text: string, quote: Parameters<typeof seek>[1], from = 0) => {
    const sought = letters(text);
    const at = seek(sought, quote, from);
    return at < 0 ? -1 : sought.at[at];
  };

  it('is found whatever the white space and the capitals', () => {
    expect(found('a 😀 Read\nme  first', {text: '😀 READ me\u200b first\n'})).toBe(2);
  });

  it('that stands twice is the one with its own surroundings', () => {
    const text = 'Linux: run it. Windows: run it. Done';
    expect(found(text, {text: 'run it.', prefix: 'Windows: ', suffix: ' Done'})).toBe(24);
    expect(found(text, {text: 'run it.', prefix: 'Linux: '})).toBe(7);
  });

  it('that stands twice without surroundings is the first below its heading, else the first', () => {
    expect(found('x y x y x', {text: 'x'}, 1)).toBe(4);
    expect(found('x y x y x', {text: 'x'})).toBe(0);
    expect(found('x y', {text: 'x'}, 2)).toBe(0);
  });

  it('that is gone or blank is not found', () => {
    expect(found('a b', {text: 'c'})).toBe(-1);
    expect(found('a b', {text: ' \u200b'})).toBe(-1);
  });
});
