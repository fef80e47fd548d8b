// The panel's styles, put into the page with the panel: a .css file would land in the stylesheet of every page.

export const css = `
.citeside-panel {
  --citeside-line: var(--ifm-color-emphasis-300);
  --citeside-muted: var(--ifm-color-emphasis-800);
  --citeside-soft: var(--ifm-color-emphasis-200);
  position: fixed; z-index: calc(var(--ifm-z-index-fixed, 200) + 10); inset: auto 0 0 0;
  display: flex; flex-direction: column; height: 85vh; height: 85dvh;
  color: var(--ifm-font-color-base); background: var(--ifm-background-surface-color);
  border-top: 1px solid var(--citeside-line); border-radius: 12px 12px 0 0; box-shadow: var(--ifm-global-shadow-tl);
  font: 400 0.9375rem/1.6 var(--ifm-font-family-base); overflow-wrap: anywhere;
  animation: citeside-up 0.15s ease-out;
}
.citeside-panel[hidden], .citeside-panel [hidden] { display: none; }
@keyframes citeside-up { from { opacity: 0; margin-bottom: -24px; } }
@media (max-height: 500px), (max-width: 480px) {
  .citeside-panel { height: 100vh; height: 100dvh; border-radius: 0; }
}
@media (min-width: 997px) {
  .citeside-panel {
    inset: 0 0 0 auto; width: 380px; height: auto; border-radius: 0; border: 0; border-left: 1px solid var(--citeside-line);
    box-shadow: none;
  }
  html.citeside-open body { padding-right: 380px; }
}
/* Beside the panel the article keeps its width: first the table of contents makes room, then the sidebar.
   In a layer, because important rules of Docusaurus's own layers win over those outside of any. */
@layer docusaurus.infima {
  @media (min-width: 997px) and (max-width: 1599px) {
    html.citeside-open .col:has(> .theme-doc-toc-desktop) { display: none !important; }
    html.citeside-open [class*='docItemCol_'] { max-width: 100% !important; }
  }
}
@media (min-width: 997px) and (max-width: 1279px) {
  html.citeside-open .theme-doc-sidebar-container { display: none; }
}
@media (min-width: 1600px) {
  .citeside-panel { width: 440px; }
  html.citeside-open body { padding-right: 440px; }
}
@media (prefers-reduced-motion: reduce) { .citeside-panel { animation: none; } }
@media print {
  .citeside-panel { display: none; }
  html.citeside-open body { padding-right: 0 !important; }
}
.citeside-panel :where(p, ul, ol, h2, h3, h4, h5, h6, blockquote, pre, table) { margin: 0 0 0.6em; }
.citeside-panel :where(ul, ol) { padding-left: 1.6em; }
.citeside-panel :focus-visible { outline: 2px solid var(--ifm-font-color-base); outline-offset: 2px; }
.citeside-panel h3:focus { outline: none; }
.citeside-panel button { font: inherit; color: inherit; cursor: pointer; }
.citeside-panel :where(textarea, input:not([type])) {
  font: inherit; color: inherit; background: transparent; border: 1px solid var(--ifm-color-emphasis-700);
  border-radius: 8px; padding: 6px 10px; width: 100%;
}
.citeside-muted { color: var(--citeside-muted); font-size: 0.9em; }
.citeside-hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.citeside-head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px; padding: 8px 12px; border-bottom: 1px solid var(--citeside-line); }
.citeside-head :is(h2, h3) { flex: 1; margin: 0; font-size: 1.05rem; }
.citeside-button, .citeside-small, .citeside-send, .citeside-thread {
  background: transparent; border: 1px solid var(--ifm-color-emphasis-500); border-radius: 8px; padding: 4px 10px; text-align: start;
}
.citeside-small { border-color: transparent; padding: 2px 6px; min-height: 26px; font-size: 0.85rem !important; }
.citeside-small[aria-pressed='true'] { border-color: currentColor; }
.citeside-panel button:hover:not(:disabled) { background: var(--citeside-soft); }
.citeside-panel button:disabled { cursor: not-allowed; opacity: 0.65; }
.citeside-icon { display: inline-flex; align-items: center; justify-content: center; width: 34px; height: 34px; padding: 0; background: transparent; border: 0; border-radius: 8px; }
.citeside-icon svg { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.citeside-icon[aria-pressed='true'] { background: var(--citeside-soft); }
.citeside-log { flex: 1; overflow: auto; overscroll-behavior: contain; padding: 12px; min-height: 80px; }
.citeside-log:focus-visible { outline-offset: -2px; }
.citeside-question { background: var(--citeside-soft); border-radius: 10px; padding: 8px 12px; margin-bottom: 10px; white-space: pre-wrap; }
.citeside-question p { margin: 0; }
.citeside-panel blockquote { border-left: 3px solid var(--ifm-color-primary); padding: 0 10px; color: inherit; font-size: 0.9em; box-shadow: none; }
.citeside-question blockquote, .citeside-chip blockquote { max-height: 6em; overflow: auto; white-space: pre-wrap; }
.citeside-panel blockquote pre { padding: 4px 8px; margin: 4px 0; white-space: pre-wrap; }
.citeside-answer { margin-bottom: 20px; }
.citeside-badge { display: inline-block; border: 1px solid currentColor; border-radius: 999px; padding: 0 10px; font-size: 0.85em; font-weight: 600; }
.citeside-markdown :is(h3, h4, h5, h6) { font-size: 1.05em; }
.citeside-markdown p { white-space: pre-line; }
.citeside-code { position: relative; margin-bottom: 0.6em; }
.citeside-code pre { padding: 30px 12px 10px; overflow: auto; margin: 0; }
.citeside-code > button { position: absolute; top: 2px; right: 4px; }
.citeside-table { overflow-x: auto; margin-bottom: 0.6em; overflow-wrap: normal; }
.citeside-table table { display: table; font-size: 0.9em; }
.citeside-host { color: var(--citeside-muted); font-size: 0.85em; }
.citeside-unsupported { text-decoration: underline dotted; text-underline-offset: 3px; }
.citeside-marker {
  display: inline-flex; align-items: center; justify-content: center; min-width: 24px; height: 24px; padding: 0 4px; margin: -2px 1px;
  border: 1px solid var(--ifm-color-emphasis-500); border-radius: 6px; background: transparent; font-size: 0.8em !important; vertical-align: middle;
}
.citeside-card {
  position: fixed; z-index: 1; display: block; width: max-content; max-width: min(340px, calc(100vw - 16px)); max-height: 50vh; overflow: auto;
  padding: 10px 12px; border: 1px solid var(--ifm-color-emphasis-500); border-radius: 10px; box-shadow: var(--ifm-global-shadow-md);
  color: var(--ifm-font-color-base); background: var(--ifm-background-surface-color); font-size: 0.875rem; white-space: normal;
}
.citeside-card-quote { display: block; margin: 4px 0; white-space: pre-wrap; }
.citeside-panel :is(.citeside-sources, .citeside-pages) a { display: inline-block; min-height: 24px; padding: 2px 0; }
.citeside-sources ol { padding-left: 2em; font-size: 0.9em; }
.citeside-notice, .citeside-verdict, .citeside-alert { border: 1px solid var(--citeside-line); border-left-width: 4px; border-radius: 6px; padding: 6px 10px; margin-bottom: 8px; font-size: 0.92em; }
.citeside-verdict { border-left-color: var(--ifm-color-warning); }
.citeside-alert { border-left-color: var(--ifm-color-danger); }
.citeside-panel :is(.citeside-notice, .citeside-verdict, .citeside-alert) :is(p, ul):last-child { margin-bottom: 0; }
.citeside-buttons, .citeside-actions { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; }
.citeside-found { flex-basis: 100%; }
.citeside-rating { flex-basis: 100%; display: grid; gap: 6px; }
.citeside-rating fieldset { display: grid; border: 0; padding: 0; margin: 0; }
.citeside-rating label { min-height: 24px; }
.citeside-step { margin: 0 !important; padding: 0 14px; min-height: 1.6em; font-size: 0.85em; color: var(--citeside-muted); }
.citeside-composer { padding: 4px 12px 10px; padding-bottom: max(10px, env(safe-area-inset-bottom)); }
.citeside-line { display: flex; gap: 8px; align-items: flex-end; }
.citeside-line textarea { flex: 1; min-width: 0; resize: none; max-height: 30vh; }
.citeside-send { background: var(--ifm-font-color-base); color: var(--ifm-background-surface-color) !important; border-color: transparent; padding: 7px 14px; }
.citeside-panel .citeside-send:hover { background: var(--citeside-muted); }
.citeside-send[aria-disabled='true'] { cursor: not-allowed; }
.citeside-counter { font-size: 0.85em; color: var(--citeside-muted); }
.citeside-chip { border: 1px solid var(--citeside-line); border-radius: 10px; padding: 8px 10px; margin-bottom: 8px; background: var(--citeside-soft); }
.citeside-chip blockquote { margin-bottom: 4px; }
.citeside-chip-foot { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 10px; font-size: 0.85em; }
.citeside-welcome ul, .citeside-threads ul { list-style: none; padding: 0; display: grid; gap: 8px; }
.citeside-threads .citeside-head { padding: 0 0 8px; margin-bottom: 8px; }
.citeside-thread .citeside-muted { white-space: nowrap; }
.citeside-thread { width: 100%; display: flex; justify-content: space-between; gap: 10px; }
.citeside-thread[aria-current] { border-width: 2px; border-color: currentColor; }
.citeside-confirm { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; }
.citeside-confirm p { margin: 0; flex-basis: 100%; }
@media (forced-colors: active) { .citeside-send { border-color: currentColor; } }
`;
