// The configuration of a site that is served below a base URL.

export default {baseUrl: '/project/'};
