// The Docusaurus plugin: checks its options, puts the launcher on every page, the panel where a theme's parts
// are found, and llms.txt beside the built pages.

import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import path from 'node:path';

import {codeTranslationLocalesToTry} from '@docusaurus/theme-translations';
import type {LoadContext, OptionValidationContext, Plugin, SwizzleConfig} from '@docusaurus/types';

import {writeLlmsTxt} from './llms';
import {type Options, type Settings, schema} from './options';

export type {Options} from './options';

const NAME = 'docusaurus-plugin-citeside';
const PACKAGE = path.join(__dirname, '..', '..');
const FRONT_END = {builtin: 'page', chatkit: 'chatkit'};
const ADDRESS_MISSING = `${NAME}: no apiUrl. Set the environment variable CITESIDE_API_URL to the address of your Citeside server and pass it on: apiUrl: process.env.CITESIDE_API_URL`;

export default function citeside(context: LoadContext, {id: _, ui, llmsTxt, ...options}: Settings): Plugin {
  if (!options.apiUrl) {
    return {name: NAME};
  }
  return {
    name: NAME,
    contentLoaded: ({actions}) => actions.setGlobalData(options),
    // A site builds the front end that it chose, and nothing of the other.
    configureWebpack: () => ({resolve: {alias: {'@citeside/ui': path.join(PACKAGE, 'lib', FRONT_END[ui], 'lazy.js')}}}),
    getClientModules: () => [path.join(PACKAGE, 'lib', 'page', 'module.js')],
    getThemePath: () => path.join(PACKAGE, 'lib', 'theme'),
    getTypeScriptThemePath: () => path.join(PACKAGE, 'src', 'theme'),
    // Where `docusaurus write-translations` looks for texts, besides the theme.
    getPathsToWatch: () => [`${PACKAGE.split(path.sep).join('/')}/lib/page/*.js`],
    getDefaultCodeTranslationMessages: () => messages(context.i18n.currentLocale),
    ...(llmsTxt && {postBuild: writeLlmsTxt}),
  };
}

/** Check the options. Without an address a production build stops; while the site is being written the panel is left out. */
export function validateOptions({options, validate}: OptionValidationContext<Options | undefined, Settings>): Settings {
  const settings = validate(schema, options);
  if (!settings.apiUrl) {
    if (process.env.NODE_ENV === 'production') {
      const error = new Error(ADDRESS_MISSING);
      error.stack = error.message; // Docusaurus prints the stack, and ours would tell the site's author nothing
      throw error;
    }
    console.warn(`[WARNING] ${ADDRESS_MISSING}. The panel is left out.`);
  }
  return settings;
}

/** What `@theme/Citeside` exports mounts the panel and is no component: it can be replaced, and not be wrapped in JSX. */
export function getSwizzleConfig(): SwizzleConfig {
  return {
    components: {
      Citeside: {
        actions: {eject: 'unsafe', wrap: 'forbidden'},
        description: 'The panel: a function that mounts it and returns how to open and close it.',
      },
    },
  };
}

async function messages(locale: string): Promise<Record<string, string>> {
  const files = codeTranslationLocalesToTry(locale).map((name) => path.join(PACKAGE, 'locales', `${name}.json`));
  const file = files.find((name) => existsSync(name));
  return file ? (JSON.parse(await readFile(file, 'utf8')) as Record<string, string>) : {};
}
