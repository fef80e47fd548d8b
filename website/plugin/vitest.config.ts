// Tests of what can be tested without a browser; what Docusaurus generates has stand-ins.

import {fileURLToPath} from 'node:url';

import {defineConfig} from 'vitest/config';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const stub = (name: string) => file(`test/stubs/${name}.ts`);

export default defineConfig({
  test: {typecheck: {enabled: true, include: ['test/*.test-d.ts'], tsconfig: 'test/tsconfig.json'}},
  resolve: {
    alias: {
      '@theme/Citeside': file('src/theme/Citeside'),
      'docusaurus-plugin-citeside/client': file('src/client/index.ts'),
      'docusaurus-plugin-citeside/page': file('src/page'),
      '@docusaurus/Translate': stub('translate'),
      '@generated/docusaurus.config': stub('site-config'),
      '@generated/globalData': stub('global-data'),
      '@generated/i18n': stub('i18n'),
    },
  },
});
