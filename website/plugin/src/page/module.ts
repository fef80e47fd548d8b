// What every page loads: the launcher, its shortcut and "Ask about this". All else comes once a reader reaches for it.

import {translate} from '@docusaurus/Translate';
import ExecutionEnvironment from '@docusaurus/ExecutionEnvironment';
import siteConfig from '@generated/docusaurus.config';
import globalData from '@generated/globalData';

import {LONGEST} from './options';
import type {PanelOptions} from './options';
import type {PanelHandle, Request} from './panel';
import {adopt} from './style';

const OPEN = 'citeside-open';
const MARGIN = 8;
/** Where readers mark text to ask about: docs and posts, then pages made of MDX, then all other pages. */
const ARTICLE = 'article .markdown,.mdx-page article,.plugin-pages main';
const CSS = `.citeside-launcher,.citeside-ask{position:fixed;inset:auto 1rem 1rem auto;z-index:calc(var(--ifm-z-index-fixed) - 1);margin:0;padding:.5rem 1rem;border:2px solid var(--ifm-color-primary);border-radius:2rem;background:var(--ifm-background-surface-color);color:var(--ifm-font-color-base);font:600 1rem var(--ifm-font-family-base);box-shadow:var(--ifm-global-shadow-md);cursor:pointer;user-select:none}
.citeside-ask{position:absolute}
.${OPEN} .citeside-launcher{display:none}
@media print{.citeside-launcher,.citeside-ask{display:none}}`;

interface Marked {
  range: Range;
  text: string;
}

let routeChanged: (() => void) | undefined;

export function onRouteDidUpdate(): void {
  routeChanged?.();
}

if (ExecutionEnvironment.canUseDOM) {
  start(globalData['docusaurus-plugin-citeside']!.default as PanelOptions);
}

function start({disabledRoutes, labels, shortcut}: PanelOptions): void {
  const root = document.documentElement;
  const launcher = button('citeside-launcher', labels.launcher ?? translate({id: 'citeside.launcher', message: 'Ask the docs'}));
  const ask = button('citeside-ask', '');
  const question = labels.askAboutThis ?? translate({id: 'citeside.askAboutThis', message: 'Ask about this'});
  const tooLong = labels.selectionTooLong ?? translate({id: 'citeside.selectionTooLong', message: 'Too long: at most 20,000 characters'});
  let loading: Promise<{panel: PanelHandle; capture: (range: Range, text: string) => Request['quote']}> | undefined;
  let host: HTMLElement | undefined;
  let opener: HTMLElement | null;
  let opened = false;
  let off = false;
  let marked: Marked | undefined;
  let touched = false;
  let timer = 0;

  function load() {
    return (loading ??= import(/* webpackChunkName: "citeside" */ '@citeside/ui').then(
      ({mount, capture}) => {
        host = document.createElement('div');
        document.body.append(host);
        return {panel: mount(host, {onClose}), capture};
      },
      (error) => {
        loading = undefined; // a deploy may have come in between, or the network gone: the next click tries again
        throw error;
      },
    ));
  }

  async function open(quoted?: Marked, draft?: string): Promise<void> {
    const focused = document.activeElement as HTMLElement | null;
    const {panel, capture} = await load();
    if (!opened) {
      opener = focused;
    }
    opened = true;
    remember(true);
    panel.open(quoted ? {quote: capture(quoted.range, quoted.text)!} : draft ? {draft} : undefined);
  }

  function close(): void {
    void load().then(({panel}) => panel.isOpen() && panel.close());
  }

  function onClose(): void {
    opened = false;
    remember(false);
    opener?.focus();
    if (document.activeElement === document.body || document.activeElement !== opener) {
      launcher.focus();
    }
  }

  /** Keep the panel's state for this tab, and on <html>, from where Docusaurus takes all classes but its own at each navigation. */
  function remember(open: boolean): void {
    show();
    try {
      open ? sessionStorage.setItem(OPEN, '1') : sessionStorage.removeItem(OPEN);
    } catch {
      // Storage is blocked: a reload then closes the panel.
    }
  }

  function show(): void {
    if (root.classList.contains(OPEN) !== opened) {
      root.classList.toggle(OPEN, opened);
    }
  }

  /** Offer to ask about what is marked now, if it is text of the article. */
  function offer(): void {
    const selection = getSelection()!;
    const text = selection.toString().replace(/\u200b/g, ''); // each heading's link to itself holds one
    const range = text.trim() && selection.rangeCount && !off ? selection.getRangeAt(0) : undefined;
    marked = range && inArticle(range) ? {range: range.cloneRange(), text} : undefined;
    ask.togglePopover(!!marked);
    if (!marked) {
      return;
    }
    ask.disabled = text.length > LONGEST && [...text].length > LONGEST;
    ask.textContent = ask.disabled ? tooLong : question;
    place(marked.range);
  }

  /** A mouse's selection has the button at its end; on touch screens the system's own menu stands there. */
  function place(range: Range): void {
    const rects = range.getClientRects();
    const last = rects[rects.length - 1];
    const {clientWidth, clientHeight} = root;
    let left = (clientWidth - ask.offsetWidth) / 2;
    let top = clientHeight - ask.offsetHeight - 72;
    if (last && !touched) {
      left = last.right - ask.offsetWidth / 2;
      top = last.bottom + MARGIN;
      if (top + ask.offsetHeight > clientHeight) {
        top = rects[0]!.top - ask.offsetHeight - MARGIN;
      }
    }
    const within = (at: number, room: number) => Math.max(MARGIN, Math.min(at, room - MARGIN));
    ask.style.inset = `${scrollY + within(top, clientHeight - ask.offsetHeight)}px auto auto ${scrollX + within(left, clientWidth - ask.offsetWidth)}px`;
  }

  function dismiss(): void {
    if (marked) {
      marked = undefined;
      ask.hidePopover();
    }
  }

  function askAbout(): void {
    const quoted = marked;
    dismiss();
    void open(quoted);
  }

  routeChanged = () => {
    const path = `/${location.pathname.slice(siteConfig.baseUrl.length)}/`;
    off = disabledRoutes.some((route) => path.startsWith(`${route}/`));
    launcher.hidden = off;
    if (off && opened) {
      close();
    }
    document.dispatchEvent(new Event('citeside:route'));
  };

  adopt(CSS);
  document.body.append(launcher);
  routeChanged();
  new MutationObserver(show).observe(root, {attributeFilter: ['class']});
  launcher.onclick = () => void open();
  for (const control of [launcher, ask]) {
    shortcut && control.setAttribute('aria-keyshortcuts', shortcut.replace('mod', 'Control'));
    for (const sign of ['pointerenter', 'focus', 'touchstart']) {
      control.addEventListener(sign, () => load().catch(() => {}), {passive: true});
    }
  }
  document.addEventListener('keydown', (event) => {
    const pressed = [
      (event.ctrlKey || event.metaKey) && 'mod',
      event.altKey && 'alt',
      event.shiftKey && 'shift',
      event.key?.toLowerCase(),
    ];
    if (event.key === 'Escape') {
      dismiss();
      if (opened && host?.contains(event.target as Node)) {
        close();
      }
    } else if (pressed.filter(Boolean).join('+') === shortcut && !off) {
      event.preventDefault();
      if (marked && !ask.disabled) {
        askAbout();
      } else if (opened) {
        close();
      } else {
        void open();
      }
    }
  });
  if ('popover' in ask) {
    ask.popover = 'manual';
    document.body.append(ask);
    ask.onclick = askAbout;
    ask.onpointerdown = (event) => event.preventDefault(); // the selection stays
    document.addEventListener('pointerdown', ({pointerType}) => (touched = pointerType === 'touch'), true);
    document.addEventListener('selectionchange', () => {
      clearTimeout(timer);
      timer = window.setTimeout(offer, 250);
    });
  }

  const url = new URL(location.href);
  const draft = url.searchParams.get('ask');
  if (draft) {
    url.searchParams.delete('ask');
    history.replaceState(history.state, '', url); // once: neither a reload nor Back fills it in again
  }
  try {
    if (!off && (draft || sessionStorage.getItem(OPEN))) {
      void open(undefined, draft ?? undefined);
    }
  } catch {
    // Storage is blocked.
  }
}

function button(className: string, text: string): HTMLButtonElement {
  return Object.assign(document.createElement('button'), {type: 'button', className, textContent: text});
}

/** Tell whether a range lies in one article; one that ends before the first word behind it, as a triple click's, does. */
function inArticle(range: Range): boolean {
  const from = range.startContainer;
  const article = (from instanceof Element ? from : from.parentElement!).closest(ARTICLE);
  if (!article) {
    return false;
  }
  const inside = range.cloneRange();
  if (!article.contains(range.endContainer)) {
    inside.setEndAfter(article.lastChild!);
  }
  return inside.toString().trim() === range.toString().trim();
}
