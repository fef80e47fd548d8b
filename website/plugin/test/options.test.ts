// What a site's author may write, and what they are told when it is wrong.

import {afterEach, describe, expect, it, vi} from 'vitest';

import {Joi} from '@docusaurus/utils-validation';

import {validateOptions} from '../src/node/index';
import type {Options, Settings} from '../src/node/options';

function check(options?: Options): Settings {
  const validate = (schema: Joi.Schema, value: unknown) => Joi.attempt(value, schema.required());
  return validateOptions({options, validate} as unknown as Parameters<typeof validateOptions>[0]);
}

describe('options', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it('are completed', () => {
    expect(check({apiUrl: 'https://api.test/', shortcut: 'Shift+Mod+K', disabledRoutes: ['docs/api/']})).toEqual({
      apiUrl: 'https://api.test',
      ui: 'builtin',
      llmsTxt: true,
      shortcut: 'mod+shift+k',
      starters: [],
      labels: {},
      disabledRoutes: ['/docs/api'],
    });
  });

  it('keep the path of a server behind a prefix', () => {
    expect(check({apiUrl: 'http://localhost:8000/citeside//'}).apiUrl).toBe('http://localhost:8000/citeside');
  });

  it.each(['api.test', 'ftp://api.test', 'https://api.test/?a=1', 'https://api.test/#a', 'https://me@api.test'])(
    'refuse the address %s and say what it should be',
    (apiUrl) => expect(() => check({apiUrl})).toThrow(/"apiUrl" must be the address of your Citeside server.*It is/),
  );

  it.each(['i', 'shift+i', 'mod+', 'mod', 'mod+i+k', 'win+i'])('refuse the shortcut %s', (shortcut) =>
    expect(() => check({apiUrl: 'https://api.test', shortcut})).toThrow(/"shortcut" must be one key/),
  );

  it('take ChatKit with the key of its domain', () => {
    const options = {apiUrl: 'https://api.test', ui: 'chatkit', domainKey: 'domain_pk_1'} as const;
    expect(check(options)).toMatchObject(options);
  });

  it.each([undefined, ''])('say where to get the key that ChatKit needs (%j)', (domainKey) =>
    expect(() => check({apiUrl: 'https://api.test', ui: 'chatkit', ...(domainKey !== undefined && {domainKey})})).toThrow(
      /"domainKey" is required with ui: 'chatkit'.*platform\.openai\.com.*localhost/,
    ),
  );

  it.each([undefined, ''])('stop a production build without an address (%j) with one line', (apiUrl) => {
    vi.stubEnv('NODE_ENV', 'production');
    let stack = '';
    try {
      check(apiUrl === undefined ? {} : {apiUrl});
    } catch (error) {
      stack = (error as Error).stack ?? '';
    }
    expect(stack).toMatch(/^docusaurus-plugin-citeside: no apiUrl\. .*CITESIDE_API_URL.*$/);
  });

  it('leave the panel out of a site being written without an address, and say so once', () => {
    vi.stubEnv('NODE_ENV', 'development');
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    expect(check({}).apiUrl).toBeUndefined();
    expect(warn).toHaveBeenCalledTimes(1);
  });
});
