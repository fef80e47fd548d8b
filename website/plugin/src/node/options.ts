// Checks the plugin's options where Docusaurus loads them, so that a mistake stops the build and not the reader.

import {Joi} from '@docusaurus/utils-validation';

import type {PanelOptions} from '../page/options';

const REGISTER = 'https://platform.openai.com/settings/organization/security/domain-allowlist';

/** What a site is built with; its pages need not be told. */
interface Build {
  ui: 'builtin' | 'chatkit';
  llmsTxt: boolean;
}

/** What a site writes into its configuration. */
export type Options = Partial<PanelOptions & Build>;

/** Checked options; without `apiUrl` the plugin is off. */
export type Settings = Omit<PanelOptions, 'apiUrl'> & Build & {id: string; apiUrl?: string};

const MODIFIERS = ['mod', 'alt', 'shift'];

export const schema = Joi.object<Settings>({
  apiUrl: Joi.string().empty('').custom(address).messages({
    'string.base': '"apiUrl" must be a string, for example "https://api.example.com"',
    'citeside.address':
      '"apiUrl" must be the address of your Citeside server, for example "https://api.example.com": ' +
      'http or https, without user name, query and #. It is {:#value}',
  }),
  ui: Joi.string().valid('builtin', 'chatkit').default('builtin'),
  domainKey: Joi.string().empty('').when('ui', {is: 'chatkit', then: Joi.required()}).messages({
    'any.required':
      `"domainKey" is required with ui: 'chatkit'. OpenAI gives it to a domain that is registered at ${REGISTER}; ` +
      'on localhost any text does, for example "localhost"',
  }),
  llmsTxt: Joi.boolean().default(true),
  shortcut: Joi.alternatives(Joi.string().custom(shortcut), Joi.valid(false))
    .default('mod+i')
    .messages({
      'alternatives.types': '"shortcut" must be a string such as "mod+i", or false for none',
      'citeside.shortcut':
        '"shortcut" must be one key behind "mod" (Ctrl or Cmd), "alt" and "shift", with "mod" or "alt" among them, ' +
        'for example "mod+i". It is {:#value}',
    }),
  starters: Joi.array().items(Joi.string().max(4000)).default([]),
  labels: Joi.object().pattern(Joi.string(), Joi.string()).default({}),
  disabledRoutes: Joi.array().items(Joi.string().custom(route)).default([]),
  privacyNote: Joi.string(),
});

function address(value: string, helpers: Joi.CustomHelpers): string | Joi.ErrorReport {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    return helpers.error('citeside.address', {value});
  }
  return url.href.replace(/\/+$/, '');
}

/** Bring the words into the one order that the page compares with. */
function shortcut(value: string, helpers: Joi.CustomHelpers): string | Joi.ErrorReport {
  const words = value.toLowerCase().split('+');
  const key = words.pop();
  const held = MODIFIERS.filter((modifier) => words.includes(modifier));
  const usable = key && !MODIFIERS.includes(key) && held.length === words.length && held.some((word) => word !== 'shift');
  return usable ? [...held, key].join('+') : helpers.error('citeside.shortcut', {value});
}

function route(value: string): string {
  return `/${value.replace(/^\/+|\/+$/g, '')}`;
}
