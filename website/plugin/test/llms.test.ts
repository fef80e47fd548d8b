// What llms.txt lists of a site, and what it leaves out.

import {mkdtemp, mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';

import {describe, expect, it} from 'vitest';

import {llmsTxt, type Site, type Version, writeLlmsTxt} from '../src/node/llms';

function doc(id: string, more: Partial<Version['docs'][number]> = {}): Version['docs'][number] {
  const title = id.replace(/^./, (letter) => letter.toUpperCase());
  return {id, title, description: `About ${id}.`, permalink: `/base/docs/${id}`, unlisted: false, ...more};
}

function site(versions: Version[], more: Partial<Site> = {}): Site {
  const docs = versions.flatMap((version) => version.docs);
  return {
    siteConfig: {title: 'Notes', tagline: 'Keep them', url: 'https://notes.test'} as Site['siteConfig'],
    routesPaths: ['/base/', ...docs.map(({permalink}) => `${permalink}/`), '/base/docs/category/more/'],
    routesBuildMetadata: {},
    versions,
    ...more,
  };
}

const last: Version = {
  isLast: true,
  docs: [doc('loose'), doc('intro'), doc('install'), doc('linux'), doc('api'), doc('hidden', {unlisted: true})],
  sidebars: {
    docs: [
      {type: 'doc', id: 'intro'},
      {
        type: 'category',
        label: 'Guides',
        items: [
          {type: 'doc', id: 'install'},
          {type: 'doc', id: 'hidden'},
          {type: 'category', label: 'Systems', items: [{type: 'doc', id: 'linux'}]},
        ],
      },
      {type: 'link'},
    ],
    api: [{type: 'category', label: 'API', items: [{type: 'doc', id: 'intro'}], link: {type: 'doc', id: 'api'}}],
  },
};

describe('llms.txt', () => {
  it('lists the docs by section in the order of the sidebars, each once', () => {
    expect(llmsTxt(site([last]))).toBe(`# Notes

> Keep them

## Docs

- [Intro](https://notes.test/base/docs/intro/): About intro.
- [Loose](https://notes.test/base/docs/loose/): About loose.

## Guides

- [Install](https://notes.test/base/docs/install/): About install.
- [Linux](https://notes.test/base/docs/linux/): About linux.

## API

- [Api](https://notes.test/base/docs/api/): About api.
`);
  });

  it('lists nothing of an older version, nor what search engines should not see', () => {
    const older = {...last, isLast: false, docs: [doc('old')], sidebars: {docs: [{type: 'doc' as const, id: 'old'}]}};
    const told = llmsTxt(site([older, last], {routesBuildMetadata: {'/base/docs/linux/': {noIndex: true}}}));
    expect(told).not.toMatch(/old|linux|hidden/i);
    expect(told).toContain('install');
  });

  it('follows the slashes of the site, and writes what a link needs', () => {
    const docs = [doc('a', {title: 'An [array]', description: 'Two\nlines. ', permalink: '/docs/über'})];
    const told = llmsTxt(site([{isLast: true, docs, sidebars: {}}], {routesPaths: ['/docs/über']}));
    expect(told).toContain('- [An \\[array\\]](https://notes.test/docs/%C3%BCber): Two lines.\n');
  });

  it('lists the page that a category makes of itself', () => {
    const link = {type: 'generated-index' as const, permalink: '/base/docs/category/more', description: 'All of it.'};
    const sidebars = {docs: [{type: 'category' as const, label: 'More', items: [], link}]};
    const told = llmsTxt(site([{isLast: true, docs: [], sidebars}]));
    expect(told).toContain('## More\n\n- [More](https://notes.test/base/docs/category/more/): All of it.\n');
  });

  it('is not written where there is nothing to list, or the site has its own', async () => {
    const siteDir = await mkdtemp(path.join(tmpdir(), 'llms-'));
    const outDir = path.join(siteDir, 'build');
    await mkdir(outDir);
    const write = (versions: Version[]) => {
      const {siteConfig, ...built} = site(versions);
      const plugins = [{name: 'docusaurus-plugin-content-docs', content: {loadedVersions: versions}}];
      const props = {...built, siteConfig: {...siteConfig, staticDirectories: ['static']}, plugins, siteDir, outDir};
      return writeLlmsTxt(props as unknown as Parameters<typeof writeLlmsTxt>[0]);
    };
    await write([]);
    expect(await readdir(outDir)).toEqual([]);
    await write([last]);
    expect(await readFile(path.join(outDir, 'llms.txt'), 'utf8')).toMatch(/^# Notes\n/);
    await mkdir(path.join(siteDir, 'static'));
    await writeFile(path.join(siteDir, 'static', 'llms.txt'), 'ours');
    await writeFile(path.join(outDir, 'llms.txt'), 'ours');
    await write([last]);
    expect(await readFile(path.join(outDir, 'llms.txt'), 'utf8')).toBe('ours');
  });
});
