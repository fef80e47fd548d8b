"""Takes the pictures of the panel for the docs, into `website/static/img/panel`: `python -m tests.browser.pictures`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.__main__ import ready
from tests.browser.panel import Panel
from tests.browser.stack import Stack, open_stack

FOLDER = Path(__file__).parents[2] / "website" / "static" / "img" / "panel"
QUESTION = "How long does a session last?"
ANSWER = (
    "A session expires **30 days** after it was last seen [[30 days after it was last seen]]. "
    "Using the session renews it [[30 days after it was last seen]]."
)
LASTS = "A session expires 30 days after it was last seen: expires_at is last_seen_at plus 30 days."


def main() -> int:
    """Take them all."""
    if not ready():
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open_stack() as stack:
        stack.model.says(ANSWER)
        stack.model.quotes(LASTS, missing="time", about="session last")
        for width, height, colours, name in (
            (1280, 800, "light", "wide"),
            (1280, 800, "dark", "dark"),
            (390, 780, "light", "phone"),
        ):
            with _panel(stack, width, height, colours) as panel:
                panel.open()
                _asked(panel)
                _take(panel.page, name)
        with _panel(stack) as panel:
            panel.drag("A session expires", "a database write each time.")
            panel.ask_about_this()
            _take(panel.page, "quote")
            panel.ask(QUESTION)
            panel.shows("A session expires 30 days")
            panel.expect_highlighted("citeside-used", LASTS)
            _take(panel.page, "used")
        with _panel(stack) as panel:
            panel.drag("The token is shown once.")
            panel.ask_about_this()
            panel.ask(QUESTION)
            panel.shows("does not answer this question")
            _take(panel.page, "verdict")
        with _panel(stack, page="docs/") as panel:
            panel.open()
            _asked(panel)
            panel.answer.get_by_label("Source 1: Sessions").first.click()
            panel.page.wait_for_function("CSS.highlights.get('citeside-cite')?.size > 0")
            _take(panel.page, "citation")
        with _panel(stack) as panel:
            panel.open()
            panel.lose_the_server()
            panel.ask(QUESTION)
            expect(panel.alert).to_be_visible(timeout=20_000)
            _take(panel.page, "error")
    return 0


@contextmanager
def _panel(
    stack: Stack, width: int = 1280, height: int = 800, colours: str = "light", page: str = "docs/api/sessions/"
) -> Iterator[Panel]:
    context = stack.browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=colours,  # pyright: ignore[reportArgumentType]
        reduced_motion="reduce",
    )
    panel = Panel(context.new_page(), stack)
    panel.visit(page)
    yield panel
    context.close()
    stack.wire.mend()


def _asked(panel: Panel) -> None:
    panel.ask(QUESTION)
    panel.shows("30 days")


def _take(page: Page, name: str) -> None:
    page.evaluate("() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished))")
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"  {name}.png")


if __name__ == "__main__":
    sys.exit(main())
