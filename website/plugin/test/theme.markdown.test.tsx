// @vitest-environment jsdom
// What an answer's Markdown may become in the page, and where its citations stand.

import {act} from 'react';
import {createRoot} from 'react-dom/client';
import {afterEach, beforeAll, describe, expect, it, vi} from 'vitest';
import type {Citation} from '../src/client';
import {codePoints} from '../src/client';
import {Blocks} from '../src/theme/Citeside/blocks';
import {Markdown} from '../src/theme/Citeside/Markdown';
import {marksOf} from '../src/theme/Citeside/marks';
import type {Marks} from '../src/theme/Citeside/marks';

vi.mock('../src/theme/Citeside/labels', () => ({
  label: (name: string, values: Record<string, unknown> = {}) => [name, ...Object.values(values)].join(' '),
}));
vi.mock('../src/page/site', () => ({visit: vi.fn()}));
vi.mock('../src/page/passage', () => ({reveal: vi.fn(), shareLink: () => ''}));

const none: Marks = {cited: () => null, unsupported: []};
let unmount = () => {};

function rendered(text: string, marks: Marks = none, growing = false): HTMLElement {
  const host = document.createElement('div');
  document.body.append(host);
  const root = createRoot(host);
  act(() => root.render(<Markdown text={text} marks={marks} growing={growing} />));
  unmount = () => act(() => root.unmount());
  return host;
}

/** The marks of a stored answer in which every `[n]` outside of `code` is cited. */
function stored(text: string, unsupported: {start: number; end: number}[] = [], skip: number[] = []): Marks {
  const citations: Citation[] = [...text.matchAll(/\[(\d)\]/g)]
    .filter((_, index) => !skip.includes(index))
    .map((match) => ({
      marker: Number(match[1]), at: codePoints(text.slice(0, match.index)), passage_id: 'p', url: 'https://docs/x', path: 'x',
      title: `Page ${match[1]}`, heading: '', quote: 'q', start: 0, end: 1,
    }));
  return marksOf({content: text, citations, grounding: {passages: [], unsupported}} as unknown as Parameters<typeof marksOf>[0], []);
}

const markers = (host: HTMLElement) => [...host.querySelectorAll('.citeside-marker')].map((one) => one.getAttribute('aria-label'));

beforeAll(() => {
  (globalThis as {IS_REACT_ACT_ENVIRONMENT?: boolean}).IS_REACT_ACT_ENVIRONMENT = true;
});
afterEach(() => {
  unmount();
  document.body.replaceChildren();
});

describe('a hostile answer', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    'Inline <b onclick="alert(1)">bold</b> <iframe src="https://evil.example"></iframe>',
    '![pixel](https://evil.example/p.png?secret) ![data](data:image/png;base64,AAAA)',
    '[js](javascript:alert(1)) [JS](JaVaScRiPt:alert(1)) [tab](java\tscript:alert(1)) [data](data:text/html,x) [vb](vbscript:x)',
    '[entity](&#106;avascript:alert(1)) [rel](//evil.example/x) [file](file:///etc/passwd) [blob](blob:https://evil.example/1)',
    '<https://evil.example/auto> [ref][r]\n\n[r]: javascript:alert(1) "x"',
    '- <style>*{display:none}</style>\n- <svg onload=alert(1)>',
    '| <img src=x> | [x](javascript:x) |\n|---|---|\n| <script>1</script> | ![i](https://evil.example/i.png) |',
  ].join('\n\n');

  it.each([false, true])('makes no element but plain ones (growing: %s)', (growing) => {
    const host = rendered(hostile, none, growing);
    expect(host.querySelectorAll('script, img, iframe, svg, style, object, embed, form, input, link, video, audio').length).toBe(0);
    const attributes = [...host.querySelectorAll('*')].flatMap((one) => one.getAttributeNames());
    expect(attributes.filter((name) => name.startsWith('on') || name === 'src' || name === 'srcset')).toEqual([]);
  });

  it('links to nothing but http, https and mailto', () => {
    const hrefs = [...rendered(hostile).querySelectorAll('a')].map((one) => one.getAttribute('href')!);
    expect(hrefs.filter((href) => !/^(https?|mailto):/.test(href))).toEqual([]);
    expect(hrefs).toContain('https://evil.example/p.png?secret');
  });

  it('shows where a foreign link leads, whatever its text says', () => {
    const host = rendered('[https://docs.example.com](https://docs.example.com@evil.example/x)');
    const link = host.querySelector('a')!;
    expect(host.textContent).toBe('https://docs.example.com (evil.example)');
    expect([link.rel, link.target]).toEqual(['noopener nofollow ugc', '_blank']);
  });

  it('shows HTML as the text it is', () => {
    expect(rendered('Use <Tabs> here').textContent).toBe('Use <Tabs> here');
  });
});

describe('citations', () => {
  it('stand where the server says, also behind emoji and in every kind of block', () => {
    const text = [
      '👍🎉 First [1]. **Bold 👩‍👩‍👧 [2]** and *soft [1]*.',
      '## Head [2]',
      '- item [1]\n- two\n  lines [2]\n  - nested [1]',
      '> quoted\n> twice [2]',
      '| a [1] | b |\n|---|---|\n| c | d [2] |',
    ].join('\n\n');
    const host = rendered(text, stored(text));
    expect(markers(host)).toEqual(['1', '2', '1', '2', '1', '2', '1', '2', '1', '2'].map((n) => `source ${n} Page ${n}`));
    expect(host.textContent).not.toContain('[');
  });

  it('are text inside code, and where the server cited nothing', () => {
    const text = '`a[1]` and [1] but not [1]\n\n```js\nb[1]\n```';
    const host = rendered(text, stored(text, [], [0, 2, 3]));
    expect(markers(host)).toEqual(['source 1 Page 1']);
    expect(host.querySelector('p')!.textContent).toBe('a[1] and 1 but not [1]');
  });

  it('show while the text streams, for the passages it may cite', () => {
    const passages = [{marker: 1, id: 'p', url: 'u', path: 'x', title: 'Page 1', heading: '', score: 1}];
    expect(markers(rendered('One [1], two [2], `three [1]`', marksOf(null, passages), true))).toEqual(['source 1 Page 1']);
  });

  it('leave unsupported sentences marked', () => {
    const text = '👍 Fine [1]. Doubtful **very** so. Fine.';
    const start = codePoints('👍 Fine [1]. ');
    const host = rendered(text, stored(text, [{start, end: start + codePoints('Doubtful **very** so.')}]));
    expect([...host.querySelectorAll('.citeside-unsupported')].map((one) => one.textContent).join('')).toBe('Doubtful very so.');
  });

  it('keep their place behind Windows line ends', () => {
    const text = 'One\r\n\r\nTwo [1]\r\nthree [2]';
    expect(markers(rendered(text, stored(text)))).toEqual(['source 1 Page 1', 'source 2 Page 2']);
  });
});

describe('blocks of a growing text', () => {
  const text = '# A\n\nText *b*\nmore\n\n- a\n- b\n\n  c\n\n```js\nx\n\ny\n```\n\nHead\n===\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> q\n\nEnd';

  it('end as they would be read at once', () => {
    const growing = new Blocks();
    for (let length = 1; length < text.length; length++) growing.of(text.slice(0, length), true);
    const raws = (blocks: ReturnType<Blocks['of']>) => blocks.map(({start, token}) => [start, token.raw.trim()]);
    expect(raws(growing.of(text, true))).toEqual(raws(new Blocks().of(text, false)));
  });

  it('keep finished blocks as they are', () => {
    const growing = new Blocks();
    const before = growing.of(text, true);
    const now = growing.of(`${text} and more`, true);
    expect(now[0]!.token).toBe(before[0]!.token);
  });
});

it('decodes entities', () => {
  expect(rendered('a &amp; b &lt;c&gt; &#x1F44D; &unknown;').textContent).toBe('a & b <c> 👍 &unknown;');
});
