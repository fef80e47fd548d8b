// Where the reader is, what the site's author chose, and the way to another page.

import siteConfig from '@generated/docusaurus.config';
import globalData from '@generated/globalData';
import i18n from '@generated/i18n';

import type {Where} from '../client';
import type {PanelOptions} from './options';

export type {PanelOptions} from './options';

const HEADINGS = 'h1,h2,h3,h4,h5,h6';
/** Articles in the order in which the index looks for them. */
const ARTICLES = ['article .markdown', '.mdx-page article', '.plugin-pages main'];

export function options(): PanelOptions {
  return globalData['docusaurus-plugin-citeside']!.default as PanelOptions;
}

/** Return the page's article, or the one of several that holds `at`. */
export function articleOf(at?: Node): Element | null {
  const element = at instanceof Element ? at : at?.parentElement;
  const find = (selector: string) => (element ? element.closest(selector) : document.querySelector(selector));
  return ARTICLES.map(find).find((article) => article) ?? null;
}

/** Return the heading that a place in the article stands below. Without a place: the one the reader has scrolled to. */
export function headingOf(at?: Range): HTMLElement | null {
  const article = articleOf(at?.startContainer);
  const headings = [...(article?.querySelectorAll<HTMLElement>(HEADINGS) ?? [])].filter((heading) => at || heading.offsetParent);
  const start = at?.cloneRange();
  start?.collapse(true); // a triple click's range ends at the beginning of the next heading
  const above = (heading: HTMLElement) =>
    start ? start.comparePoint(heading, 0) <= 0 : heading.getBoundingClientRect().top < innerHeight / 3;
  return headings.filter(above).at(-1) ?? null;
}

export function textOf(heading: Element | null | undefined): string {
  return (heading?.textContent ?? '').replace(/\u200b/g, '').trim();
}

/** Describe the reader's page, and the section of `at`, for the server. */
export function where(at?: Range): Where {
  const here = new URL(location.pathname, location.origin);
  const canonical = document.querySelector<HTMLLinkElement>('link[rel=canonical]')?.href;
  // An old version's canonical link may name the newest page: then it is not this page's address.
  const own = canonical && same(new URL(canonical).pathname, here.pathname) ? new URL(canonical) : here;
  const version = meta('docsearch:version');
  const locale = meta('docusaurus_locale') ?? document.documentElement.lang;
  const heading = headingOf(at)?.id;
  return {
    url: own.href,
    path: own.pathname.slice(root().length),
    title: textOf(document.querySelector('article h1, main h1')) || document.title,
    ...(heading && {heading_id: heading}),
    ...(version && {version}),
    ...(locale && {locale}),
  };
}

/** Return the address of a path below the site's base URL. */
export function addressOf(path: string): URL {
  return new URL(root() + path.replace(/^\/+/, ''), location.origin);
}

/** Go to a path below the site's base URL, without a reload where this build of the site has the page. */
export function visit(path: string): void {
  const target = addressOf(path);
  if (target.href === location.href) {
    return;
  }
  if (!inThisBuild(target)) {
    location.assign(target);
    return;
  }
  try {
    // Docusaurus's router (history 4) listens to popstate alone; a push of our own is told to it as if the reader had
    // gone back. The one place that knows this.
    history.pushState({key: Math.random().toString(36).slice(2, 8)}, '', target);
    dispatchEvent(new PopStateEvent('popstate', {state: history.state}));
  } catch {
    location.assign(target); // browsers refuse too many pushes in a short time
  }
}

/** Tell whether two paths are one page, whatever the host makes of the slash at the end. */
export function same(path: string, other: string): boolean {
  return path.replace(/\/$/, '') === other.replace(/\/$/, '');
}

/** The base URL of the whole site; a translation is built with its own below it. */
export function root(): string {
  const {baseUrl} = siteConfig;
  const own = `/${i18n.currentLocale}/`;
  return i18n.currentLocale !== i18n.defaultLocale && baseUrl.endsWith(own) ? baseUrl.slice(0, 1 - own.length) : baseUrl;
}

/** Each locale is an application of its own, and the default one's base URL is the start of the others'. */
export function inThisBuild(target: URL): boolean {
  const first = target.pathname.slice(root().length).split('/')[0]!;
  const isOther = first !== i18n.currentLocale && i18n.locales.includes(first);
  return target.pathname.startsWith(siteConfig.baseUrl) && !isOther;
}

function meta(name: string): string | undefined {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content;
}
