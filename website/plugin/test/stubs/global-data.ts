// The global data of a site with the plugin's defaults.

export default {
  'docusaurus-plugin-citeside': {
    default: {apiUrl: 'http://api.test', shortcut: 'mod+i', starters: [], labels: {}, disabledRoutes: []},
  },
};
