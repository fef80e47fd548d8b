"""ChatKit on a page, as far as it is ours: a stand-in for OpenAI's element, at the address of their script."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.panel import Panel

CDN = "https://cdn.platform.openai.com"
SCRIPT = f"{CDN}/deployments/chatkit/chatkit.js"
STUB = Path(__file__).with_name("chatkit.js").read_text()


def stand_in(page: Page, script: str = STUB) -> None:
    """Have OpenAI's address give `script`, and empty pages for frames."""
    page.route(f"{CDN}/**", lambda route: route.fulfill(body="", content_type="text/html"))
    page.route(SCRIPT, lambda route: route.fulfill(body=script, content_type="text/javascript"))


@dataclass(frozen=True)
class ChatKit:
    """The element in the panel of a page."""

    panel: Panel

    @property
    def element(self) -> Locator:
        """The element itself."""
        return self.panel.root.locator("openai-chatkit")

    @property
    def box(self) -> Locator:
        """Where a question is typed."""
        return self.element.get_by_role("textbox", name="Message")

    @property
    def items(self) -> Locator:
        """All questions and answers of the thread."""
        return self.element.get_by_role("listitem")

    def open(self) -> None:
        """Open the panel with the mouse."""
        self.panel.launcher.click()
        expect(self.box).to_be_focused()

    def ask(self, question: str) -> None:
        """Send a question."""
        self.box.fill(question)
        self.press("Send message")

    def press(self, name: str) -> None:
        """Press the last of the element's buttons of this name."""
        self.element.get_by_role("button", name=name, exact=True).last.click()

    def shows(self, *texts: str) -> None:
        """Wait until the thread holds exactly messages with these texts."""
        expect(self.items).to_contain_text(list(texts))

    def options(self) -> dict[str, Any]:
        """Return the options that the element has, without functions."""
        return self.element.evaluate("element => JSON.parse(JSON.stringify(element.options))")

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """Return the requests of a type that were sent."""
        return [body for body in self.panel.bodies("/chatkit") if body["type"] == kind]
