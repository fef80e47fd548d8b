// A plugin of the panel's kind: it wraps Root, and has a client module with an element of its own on every page.

module.exports = () => ({
  name: 'widget',
  getClientModules: () => [require.resolve('./client')],
  getThemePath: () => `${__dirname}/theme`,
});
