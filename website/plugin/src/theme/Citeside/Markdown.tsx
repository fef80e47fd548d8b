// Renders an answer's Markdown as React elements: no HTML, no images, no link but http(s) and mailto.

import {memo, useRef} from 'react';
import type {ReactNode} from 'react';
import type {Token, Tokens} from 'marked';
import {Blocks} from './blocks';
import type {Block as BlockAt} from './blocks';
import {Citation} from './Citation';
import {CopyButton} from './CopyButton';
import {label} from './labels';
import {safeLink} from './links';
import type {Marks} from './marks';

/** `growing` is true while the text streams: finished blocks are then neither read nor rendered again. */
export function Markdown({text, marks, growing, from = 0}: {text: string; marks: Marks; growing: boolean; from?: number}) {
  const blocks = useRef<Blocks>(null);
  blocks.current ??= new Blocks();
  return (
    <div className="citeside-markdown">
      {blocks.current.of(text.slice(from), growing).map(({start, token}) => (
        <Block key={start} token={token} start={start + from} marks={marks} />
      ))}
    </div>
  );
}

const Block = memo(
  ({token, start, marks}: BlockAt & {marks: Marks}) => new Renderer(token.raw, start, marks).block(token, start),
  (before, now) => before.token.raw === now.token.raw && before.start === now.start && before.marks === now.marks,
);

/** Renders one block; `place` follows the source, because tokens do not know where they stand. */
class Renderer {
  private cursor = 0;

  constructor(
    private readonly source: string,
    private readonly start: number,
    private readonly marks: Marks,
  ) {}

  block(token: Token, key: number): ReactNode {
    switch (token.type) {
      case 'heading': {
        // The panel's own headings are the first two levels.
        const Heading = `h${Math.min(6, (token as Tokens.Heading).depth + 2)}` as 'h3';
        return <Heading key={key}>{this.inlines(token.tokens)}</Heading>;
      }
      case 'paragraph':
        return <p key={key}>{this.inlines(token.tokens)}</p>;
      case 'code':
        return this.code(token as Tokens.Code, key);
      case 'blockquote':
        return <blockquote key={key}>{this.blocks(token.tokens)}</blockquote>;
      case 'list':
        return this.list(token as Tokens.List, key);
      case 'table':
        return this.table(token as Tokens.Table, key);
      case 'hr':
        return <hr key={key} />;
      case 'html':
        return <p key={key}>{this.html(token as Tokens.HTML)}</p>;
      case 'space':
      case 'def':
        return null;
      default:
        return this.inline(token, key);
    }
  }

  private blocks(tokens: Token[] = []): ReactNode[] {
    return tokens.map((token, key) => this.block(token, key));
  }

  private code(token: Tokens.Code, key: number) {
    this.place(token.raw);
    return (
      <div key={key} className="citeside-code">
        <CopyButton text={token.text} name={label('copyCode')} />
        <pre tabIndex={0} role="region" aria-label={label('code')}>
          <code>{token.text}</code>
        </pre>
      </div>
    );
  }

  private list(token: Tokens.List, key: number) {
    const items = token.items.map((item, index) => <li key={index}>{this.blocks(item.tokens)}</li>);
    return token.ordered ? (
      <ol key={key} start={Number(token.start) || 1}>
        {items}
      </ol>
    ) : (
      <ul key={key}>{items}</ul>
    );
  }

  private table(token: Tokens.Table, key: number) {
    const cell = (Cell: 'th' | 'td') => (one: Tokens.TableCell, column: number) => (
      <Cell key={column} style={one.align ? {textAlign: one.align} : undefined}>
        {this.inlines(one.tokens)}
      </Cell>
    );
    return (
      <div key={key} className="citeside-table" role="region" aria-label={label('table')} tabIndex={0}>
        <table>
          <thead>
            <tr>{token.header.map(cell('th'))}</tr>
          </thead>
          <tbody>
            {token.rows.map((row, index) => (
              <tr key={index}>{row.map(cell('td'))}</tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  }

  private inlines(tokens: Token[] = []): ReactNode[] {
    return tokens.map((token, key) => this.inline(token, key));
  }

  private inline(token: Token, key: number): ReactNode {
    switch (token.type) {
      case 'text':
        return 'tokens' in token && token.tokens ? this.inlines(token.tokens) : this.text(token.raw, key);
      case 'strong':
        return <strong key={key}>{this.inlines(token.tokens)}</strong>;
      case 'em':
        return <em key={key}>{this.inlines(token.tokens)}</em>;
      case 'del':
        return <del key={key}>{this.inlines(token.tokens)}</del>;
      case 'codespan': {
        const at = this.place(token.raw);
        return this.underlined(at, at + token.raw.length, <code key={key}>{(token as Tokens.Codespan).text}</code>, key);
      }
      case 'br':
        return <br key={key} />;
      case 'checkbox':
        return (token as Tokens.Checkbox).checked ? '☑ ' : '☐ ';
      case 'escape':
        return (token as Tokens.Escape).text;
      case 'link':
        return this.link(token as Tokens.Link, key);
      case 'image': {
        this.place(token.raw);
        const {href, text} = token as Tokens.Image;
        return <Link key={key} href={href} raw="">{text || href}</Link>;
      }
      case 'html':
        return this.html(token as Tokens.HTML, key);
      default:
        return token.raw;
    }
  }

  private link(token: Tokens.Link, key: number) {
    return (
      <Link key={key} href={token.href} raw={token.text}>
        {this.inlines(token.tokens)}
      </Link>
    );
  }

  /** HTML is shown as the text it is: an answer about a component may well name its tag. */
  private html(token: Tokens.HTML | Tokens.Tag, key = 0): ReactNode {
    this.place(token.raw);
    return /^<br\s*\/?>$/i.test(token.raw.trim()) ? <br key={key} /> : token.raw;
  }

  /** Text with its markers as citations. Line by line: a list or a quote cuts off what begins its lines. */
  private text(raw: string, key: number): ReactNode {
    const parts: ReactNode[] = [];
    raw.split('\n').forEach((line, number) => {
      if (number > 0) parts.push('\n');
      const found = this.place(line);
      const at = found < 0 ? -Infinity : found; // Not found: then nothing is marked in it.
      let done = 0;
      for (const match of line.matchAll(/\[(\d{1,3})\]/g)) {
        const cited = this.marks.cited(Number(match[1]), at + match.index);
        if (!cited) continue;
        parts.push(...this.plain(line.slice(done, match.index), at + done, `${key}-${number}-${done}`));
        parts.push(<Citation key={`${key}-${number}-${match.index}`} cited={cited} />);
        done = match.index + match[0].length;
      }
      parts.push(...this.plain(line.slice(done), at + done, `${key}-${number}-${done}`));
    });
    return parts;
  }

  /** Text without citations, cut where a sentence begins or ends that nothing supports. */
  private plain(text: string, at: number, key: string): ReactNode[] {
    const edges = this.marks.unsupported.flatMap(({start, end}) => [start - at, end - at]);
    const cuts = [0, ...edges.filter((edge) => edge > 0 && edge < text.length).sort((a, b) => a - b), text.length];
    return cuts.slice(1).map((end, index) => {
      const start = cuts[index]!;
      return this.underlined(at + start, at + end, decoded(text.slice(start, end)), `${key}-${index}`);
    });
  }

  private underlined(start: number, end: number, children: ReactNode, key: number | string): ReactNode {
    if (!this.marks.unsupported.some((span) => span.start <= start && end <= span.end && start < end)) return children;
    return (
      <span key={key} className="citeside-unsupported" title={label('unsupported')}>
        {children}
      </span>
    );
  }

  /** Where `raw` stands in the whole text, going on from what was placed before; -1 when it is not found. */
  private place(raw: string): number {
    const index = this.source.indexOf(raw, this.cursor);
    if (index < 0) return -1;
    this.cursor = index + raw.length;
    return this.start + index;
  }
}

/** A link that opens beside the page, with the host where it leads to another site; plain text when it is not safe. */
function Link({href, raw, children}: {href: string; raw: string; children: ReactNode}) {
  const link = safeLink(href);
  if (!link) return <span>{children}</span>;
  return (
    <>
      <a href={link.href} target="_blank" rel="noopener nofollow ugc">
        {children}
      </a>
      {link.host && raw !== href && <span className="citeside-host"> ({link.host})</span>}
    </>
  );
}

const entities: Record<string, string> = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0'};

/** The characters that an entity such as `&amp;` stands for; React escapes them again. */
function decoded(text: string): string {
  return text.replace(/&(?:(\w+)|#(\d{1,7})|#x([\da-f]{1,6}));/gi, (whole, name?: string, decimal?: string, hex?: string) => {
    if (name) return entities[name] ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hex!, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
