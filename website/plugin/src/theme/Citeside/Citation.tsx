// A numbered marker: shows the quote it rests on, goes to it in the page, and gives a link to it.

import {useEffect, useId, useLayoutEffect, useRef, useState} from 'react';
import {reveal, shareLink} from 'docusaurus-plugin-citeside/page/passage';
import {visit} from 'docusaurus-plugin-citeside/page/site';
import {CopyButton} from './CopyButton';
import {label} from './labels';
import type {Cited} from './marks';

const LEAVE = 250; // ms: enough to move the pointer from the marker into its card

export function Citation({cited}: {cited: Cited}) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const whole = useRef<HTMLSpanElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const show = () => {
    clearTimeout(timer.current);
    setOpen(true);
  };
  const hide = (delay: number) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setOpen(false), delay);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (!open) return;
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation(); // The first Esc closes the card, the next one the panel.
      setOpen(false);
    };
    addEventListener('keydown', escape, true);
    return () => removeEventListener('keydown', escape, true);
  }, [open]);
  return (
    <span
      ref={whole}
      className="citeside-cite"
      onPointerEnter={(event) => event.pointerType === 'mouse' && show()}
      onPointerLeave={(event) => event.pointerType === 'mouse' && hide(LEAVE)}
      onFocus={show}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && hide(0)}
    >
      <button
        type="button"
        className="citeside-marker"
        aria-label={label('source', {marker: cited.marker, title: cited.title})}
        aria-describedby={open ? id : undefined}
        onClick={() => void go(cited)}
      >
        {cited.marker}
      </button>
      {open && <Card id={id} cited={cited} anchor={whole} close={() => setOpen(false)} />}
    </span>
  );
}

/** Show the cited sentence in the page; without a quote yet, the place its passage stands at. */
export async function go(cited: Cited): Promise<void> {
  if (cited.quote) await reveal({path: cited.path, quote: cited.quote});
  else visit(cited.path);
}

interface CardProps {
  id: string;
  cited: Cited;
  anchor: React.RefObject<HTMLSpanElement | null>;
  close(): void;
}

function Card({id, cited, anchor, close}: CardProps) {
  const card = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    const marker = anchor.current?.getBoundingClientRect();
    const element = card.current;
    if (!marker || !element) return;
    const {width, height} = element.getBoundingClientRect();
    const below = marker.bottom + height < innerHeight || marker.top < height;
    element.style.left = `${Math.max(8, Math.min(marker.left - 16, innerWidth - width - 8))}px`;
    element.style.top = `${below ? marker.bottom : marker.top - height}px`;
  }, [anchor]);
  useEffect(() => {
    // It stands where its marker stood: when that moves away, it goes.
    const scrolled = (event: Event) => !card.current?.contains(event.target as Node) && close();
    addEventListener('scroll', scrolled, true);
    return () => removeEventListener('scroll', scrolled, true);
  }, [close]);
  return (
    <span ref={card} className="citeside-card">
      <span id={id}>
        <strong>{cited.title}</strong>
        {cited.heading && cited.heading !== cited.title && <span className="citeside-muted"> › {cited.heading}</span>}
        {cited.quote && <q className="citeside-card-quote">{cited.quote}</q>}
      </span>
      {cited.quote && <CopyButton text={shareLink({url: cited.url, quote: cited.quote})} name={label('copyLink')} />}
    </span>
  );
}
