// Writes llms.txt, the list of a site's docs for programs that read text: https://llmstxt.org says what stands in it.

import {existsSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import path from 'node:path';

import type {Plugin, Props, RouteBuildMetadata} from '@docusaurus/types';

type PostBuild = Parameters<NonNullable<Plugin['postBuild']>>[0];

/** What the docs plugin of Docusaurus 3 knows once a site is built, as far as it is listed. */
interface Doc {
  id: string;
  title: string;
  description: string;
  permalink: string;
  unlisted: boolean;
}

interface Category {
  type: 'category';
  label: string;
  items: Item[];
  link?: {type: 'doc'; id: string} | {type: 'generated-index'; permalink: string; description?: string};
}

type Item = {type: 'doc' | 'ref'; id: string; label?: string} | Category | {type: 'link' | 'html'};

export interface Version {
  isLast: boolean;
  docs: Doc[];
  sidebars: Record<string, Item[]>;
}

/** The parts of a build that matter here. */
export type Site = Pick<Props, 'siteConfig' | 'routesPaths'> & {
  routesBuildMetadata: Record<string, RouteBuildMetadata>;
  versions: Version[];
};

const FILE = 'llms.txt';
const UNSORTED = 'Docs';

/** Write the file beside the built pages, unless the site has one of its own or nothing to list. */
export async function writeLlmsTxt(props: PostBuild): Promise<void> {
  const {siteConfig, siteDir, outDir, plugins, routesPaths, routesBuildMetadata} = props;
  if (siteConfig.staticDirectories.some((folder) => existsSync(path.resolve(siteDir, folder, FILE)))) {
    return;
  }
  const versions = plugins
    .filter(({name}) => name === 'docusaurus-plugin-content-docs')
    .flatMap(({content}) => (content as {loadedVersions: Version[]}).loadedVersions);
  const text = llmsTxt({siteConfig, routesPaths, routesBuildMetadata, versions});
  if (text) {
    await writeFile(path.join(outDir, FILE), text);
  }
}

/** The docs of each last version: a section for each category at the top of a sidebar, in its order. Empty without any. */
export function llmsTxt({siteConfig, routesPaths, routesBuildMetadata, versions}: Site): string {
  // Docs know their address without the slash that the site may put at its end.
  const routes = new Map(routesPaths.map((route) => [trimmed(route), route]));
  const sections = new Map<string, string[]>();
  const listed = new Set<string>();

  function list(section: string, title: string, permalink: string, description = ''): void {
    const route = routes.get(trimmed(permalink));
    if (!route || routesBuildMetadata[route]?.noIndex || listed.has(route)) {
      return;
    }
    listed.add(route);
    const line = `- [${title.replace(/[[\]]/g, '\\$&')}](${new URL(route, siteConfig.url).href})`;
    const lines = sections.get(section) ?? [];
    sections.set(section, [...lines, description ? `${line}: ${description.replace(/\s+/g, ' ').trim()}` : line]);
  }

  for (const {docs, sidebars} of versions.filter(({isLast}) => isLast)) {
    const shown = new Map(docs.filter(({unlisted}) => !unlisted).map((doc) => [doc.id, doc]));
    const listDoc = (section: string, doc?: Doc) => doc && list(section, doc.title, doc.permalink, doc.description);

    const walk = (items: Item[], section?: string): void => {
      for (const item of items) {
        if (item.type === 'doc') {
          listDoc(section ?? UNSORTED, shown.get(item.id));
        } else if (item.type === 'category') {
          const {label, link} = item;
          if (link?.type === 'doc') {
            listDoc(section ?? label, shown.get(link.id));
          } else if (link) {
            list(section ?? label, label, link.permalink, link.description);
          }
          walk(item.items, section ?? label);
        }
      }
    };
    Object.values(sidebars).forEach((items) => walk(items));
    docs.forEach(({id}) => listDoc(UNSORTED, shown.get(id)));
  }

  const body = [...sections].map(([section, lines]) => `## ${section}\n\n${lines.join('\n')}\n`);
  const head = [`# ${siteConfig.title}\n`, ...(siteConfig.tagline ? [`> ${siteConfig.tagline}\n`] : [])];
  return body.length ? [...head, ...body].join('\n') : '';
}

function trimmed(route: string): string {
  return route.replace(/\/+$/, '');
}
