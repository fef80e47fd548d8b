// The panel as Docusaurus finds it: the one of this package, or the site's own `src/theme/Citeside`.

declare module '@theme/Citeside' {
  const mount: import('./panel').Mount;
  export default mount;
}
