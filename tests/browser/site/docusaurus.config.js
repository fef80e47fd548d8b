// A site as others have it: ChatKit, a Root of its own, another plugin that puts a widget on every page, and languages.

module.exports = {
  title: 'Another site',
  url: process.env.CITESIDE_SITE_URL,
  baseUrl: process.env.CITESIDE_SITE_BASE_URL,
  trailingSlash: true,
  onBrokenLinks: 'ignore', // of the whole site only these pages are built
  i18n: {defaultLocale: 'en', locales: ['en', 'nl']},
  future: {v4: true, faster: true},
  presets: [['classic', {blog: false, pages: false, sitemap: false}]],
  plugins: [['citeside', {apiUrl: process.env.CITESIDE_API_URL, ui: 'chatkit', domainKey: 'localhost'}], './widget'],
};
