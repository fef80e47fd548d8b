// The sources of an answer: what was found while the reader waits, what is cited afterwards.

import {useEffect, useId, useState} from 'react';
import {visit} from 'docusaurus-plugin-citeside/page/site';
import {go} from './Citation';
import {label} from './labels';
import type {Cited} from './marks';

/** `waiting` is true until the answer has text: its sources are then all there is to read. */
export function Sources({sources, waiting}: {sources: Cited[]; waiting: boolean}) {
  const [open, setOpen] = useState(waiting);
  const id = useId();
  useEffect(() => setOpen(waiting), [waiting]);
  if (!sources.length) return null;
  return (
    <div className="citeside-sources">
      <button type="button" className="citeside-small" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        {label('showSources')} ({sources.length})
      </button>
      <ol id={id} aria-label={label('sources')} hidden={!open}>
        {sources.map((source) => (
          <li key={source.marker} value={source.marker}>
            <PageLink url={source.url} onVisit={() => void go(source)}>
              {source.title}
              {source.heading && source.heading !== source.title && ` › ${source.heading}`}
            </PageLink>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** A link into the site that keeps the panel: followed without a reload, unless the reader wants another tab. */
export function PageLink({url, onVisit, children}: {url: string; onVisit(): void; children: React.ReactNode}) {
  return (
    <a
      href={url}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        onVisit();
      }}
    >
      {children}
    </a>
  );
}

/** Pages of the site as a list of links. */
export function Pages({name, pages}: {name: string; pages: {url: string; path: string; title: string; heading?: string}[]}) {
  return (
    <ul className="citeside-pages" aria-label={name}>
      {pages.map((page) => (
        <li key={page.url}>
          <PageLink url={page.url} onVisit={() => visit(page.path)}>
            {page.title}
            {page.heading && page.heading !== page.title && ` › ${page.heading}`}
          </PageLink>
        </li>
      ))}
    </ul>
  );
}
