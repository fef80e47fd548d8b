// Puts styles into the document without a <style> element, which a strict Content-Security-Policy would refuse.

export function adopt(css: string): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  } catch {
    // Browsers of before 2023 have no constructed sheets.
    document.head.append(Object.assign(document.createElement('style'), {textContent: css}));
  }
}
