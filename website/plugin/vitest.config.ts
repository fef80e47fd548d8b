// Tests of what can be tested without a browser; what Docusaurus generates has stand-ins.

import {fileURLToPath} from 'node:url';

import {defineConfig} from 'vitest/config';

const stub = (name: string) => fileURLToPath(new URL(`test/stubs/${name}.ts`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      '@docusaurus/Translate': stub('translate'),
      '@generated/docusaurus.config': stub('site-config'),
      '@generated/globalData': stub('global-data'),
      '@generated/i18n': stub('i18n'),
    },
  },
});
