"""Writes small pages as Docusaurus builds them: minified, with unquoted attributes and omitted end tags."""

from pathlib import Path

BASE = "https://docs.example.com/project/"


def doc(body: str, path: str = "docs/intro", *, version: str = "current", locale: str = "en", head: str = "") -> str:
    """Return a page of the docs plugin with `body` as its content."""
    return (
        f"<!doctype html><html lang={locale} dir=ltr"
        f' class="docs-wrapper plugin-docs plugin-id-default docs-version-{version} docs-doc-page">'
        "<head><meta charset=UTF-8><title data-rh=true>Intro | Acme</title>"
        f"<meta data-rh=true name=docusaurus_locale content={locale} />"
        f"<meta data-rh=true name=docusaurus_version content={version} />"
        f"<meta data-rh=true name=docusaurus_tag content=docs-default-{version} />"
        f"<meta data-rh=true name=docsearch:version content={version} />"
        f"<link data-rh=true rel=canonical href={BASE}{path} />{head}</head><body><nav>Menu</nav>"
        "<div class=main-wrapper><main><article><nav class=theme-doc-breadcrumbs>Crumbs</nav>"
        "<span class=theme-doc-version-badge>Version</span>"
        f'<div class="theme-doc-markdown markdown">{body}</div><footer>Edit this page</footer></article>'
        "<ul class=table-of-contents><li>Contents</ul></main></div></body>"
    )


def plain(body: str, kinds: str = "plugin-pages plugin-id-default", path: str = "", head: str = "") -> str:
    """Return a page outside the docs whose html element has the classes `kinds`."""
    return (
        f'<!doctype html><html lang=en class="{kinds}"><head><title>Home | Acme</title>'
        "<meta name=docusaurus_locale content=en /><meta name=docusaurus_tag content=default />"
        f"<link rel=canonical href={BASE}{path} />{head}</head>"
        f"<body><nav>Menu</nav><div class=main-wrapper>{body}</div></body>"
    )


def heading(level: int, text: str, anchor: str) -> str:
    """Return a heading with the link to itself that Docusaurus puts behind it."""
    return f"<h{level} class=anchor id={anchor}>{text}<a href=#{anchor} class=hash-link>\u200b</a></h{level}>"


def code(*lines: str, language: str = "bash", title: str = "") -> str:
    """Return a code block, its lines apart by elements and not by line breaks."""
    shown = f"<div class=codeBlockTitle_OeMC>{title}</div>" if title else ""
    tokens = "".join(f'<div class=token-line><span class="token plain">{line}</span><br/></div>' for line in lines)
    return (
        f'<div class="language-{language} codeBlockContainer_Ckt0 theme-code-block">{shown}'
        f'<div class=codeBlockContent_QJqH><pre class="prism-code language-{language}"><code>{tokens}</code></pre>'
        "<div class=buttonGroup><button>Copy</button></div></div></div>"
    )


def admonition(kind: str, title: str, body: str) -> str:
    """Return an admonition; its default title is in the reader's language, its kind only in the class."""
    return (
        f'<div class="theme-admonition theme-admonition-{kind} alert"><div class=admonitionHeading_Gvgb>'
        f"<span><svg><path d=M0 /></svg></span>{title}</div><div class=admonitionContent_BuS1>{body}</div></div>"
    )


def tabs(*panels: tuple[str, str]) -> str:
    """Return tabs with all panels in the page, as they are unless lazy."""
    labels = "".join(f"<li role=tab aria-selected={'true' if not n else 'false'}>{p[0]}" for n, p in enumerate(panels))
    bodies = "".join(f"<div role=tabpanel {'hidden' if n else ''}>{body}</div>" for n, (_, body) in enumerate(panels))
    return (
        '<div class="theme-tabs-container tabs-container"><ul role=tablist class=tabs>'
        f"{labels}</ul><div class=margin-top--md>{bodies}</div></div>"
    )


def write_site(folder: Path, pages: dict[str, str]) -> Path:
    """Write HTML files by their paths below a build folder."""
    for name, html in pages.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(html, encoding="utf-8")
    return folder
