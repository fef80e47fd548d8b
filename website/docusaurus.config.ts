// The project's documentation: a plain Docusaurus site, and the corpus that `./run demo` answers questions from.

import type * as Preset from '@docusaurus/preset-classic';
import type {Config} from '@docusaurus/types';
import {themes} from 'prism-react-renderer';

const config: Config = {
  title: 'Citeside',
  tagline: 'Cited answers at the side of your docs',
  favicon: 'img/logo.svg',
  url: process.env.CITESIDE_SITE_URL ?? 'http://localhost:3000',
  baseUrl: process.env.CITESIDE_SITE_BASE_URL ?? '/citeside/',
  trailingSlash: true,
  i18n: {defaultLocale: 'en', locales: ['en']},
  // Its cascade layers must stay native (browserslist in package.json): polyfilled for older browsers, one file at a
  // time, the theme's colours would win over ours.
  future: {v4: true, faster: true},

  // A dead link in the docs is a dead citation in an answer.
  onBrokenLinks: 'throw',
  onBrokenAnchors: 'throw',
  onDuplicateRoutes: 'throw',
  markdown: {
    format: 'detect',
    hooks: {onBrokenMarkdownLinks: 'throw', onBrokenMarkdownImages: 'throw'},
  },

  presets: [
    [
      'classic',
      {
        docs: {sidebarPath: './sidebars.ts'},
        blog: false,
        theme: {customCss: './src/css/custom.css'},
      } satisfies Preset.Options,
    ],
  ],

  plugins: [['citeside', {apiUrl: process.env.CITESIDE_API_URL}]],

  themeConfig: {
    colorMode: {respectPrefersColorScheme: true},
    navbar: {
      title: 'Citeside',
      logo: {alt: '', src: 'img/logo.svg', width: 28, height: 28},
      items: [
        {to: '/docs', label: 'Docs', activeBaseRegex: '/docs/(?!api|decisions)'},
        {to: '/docs/api', label: 'API'},
        {to: '/docs/decisions', label: 'Decisions'},
      ],
    },
    footer: {copyright: 'Citeside is free software under the Apache License 2.0.'},
    prism: {
      // Chosen for their contrast: at least 4.5 to 1 for every token, but for one that is darkened here.
      theme: {...themes.vsLight, styles: [...themes.vsLight.styles, {types: ['attr-name'], style: {color: '#c00000'}}]},
      darkTheme: themes.oceanicNext,
      additionalLanguages: ['bash', 'http', 'ini', 'nginx', 'sql'],
    },
  } satisfies Preset.ThemeConfig,
};

export default config;
