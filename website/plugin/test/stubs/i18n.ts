// A site in two languages, as its English build sees it.

export default {currentLocale: 'en', defaultLocale: 'en', locales: ['en', 'de']};
