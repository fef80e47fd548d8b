// Every text of the plugin has its translation, and no translation has lost its text.

import {readdirSync, readFileSync} from 'node:fs';

import {expect, it} from 'vitest';

it.each(['de'])('the texts in %s are those of the sources', (locale) => {
  const files = readdirSync(new URL('../src', import.meta.url), {recursive: true, encoding: 'utf8'});
  const sources = files.filter((name) => /\.tsx?$/.test(name)).map((name) => readFileSync(new URL(`../src/${name}`, import.meta.url), 'utf8'));
  const ids = sources.flatMap((source) => [...source.matchAll(/id: '(citeside\.\w+)'/g)].map(([, id]) => id));
  const translated = JSON.parse(readFileSync(new URL(`../locales/${locale}.json`, import.meta.url), 'utf8')) as object;
  expect(Object.keys(translated).sort()).toEqual(ids.sort());
});
