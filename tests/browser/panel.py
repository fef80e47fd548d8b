"""The reader's panel as a reader meets it: its parts by the names they have for assistive technology."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.stack import Stack

ARTICLE = ".theme-doc-markdown"

_LOCATE = """
([root, first, last]) => {
  const article = document.querySelector(root);
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement.closest('[hidden], style, script') ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  let text = '';
  const nodes = [];
  for (let node; (node = walker.nextNode());) { nodes.push([text.length, node]); text += node.data; }
  const from = text.indexOf(first);
  const to = text.indexOf(last, from);
  if (from < 0 || to < 0) throw new Error(`the page does not say ${from < 0 ? first : last}`);
  const place = (at) => { const [begin, node] = nodes.findLast(([begin]) => begin <= at); return [node, at - begin]; };
  const range = document.createRange();
  range.setStart(...place(from));
  const [node, offset] = place(to + last.length - 1);
  range.setEnd(node, offset + 1);
  return range;
}
"""
"""Finds the text from the first to the last words, through whatever elements; lengths are those of JavaScript."""

_MARK = f"""
(words) => {{
  const range = ({_LOCATE})(words);
  range.startContainer.parentElement.scrollIntoView({{block: 'center'}});
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  return getSelection().toString();
}}
"""

_ENDS = f"""
(words) => {{
  const range = ({_LOCATE})(words);
  range.startContainer.parentElement.scrollIntoView({{block: 'center', behavior: 'instant'}});
  const boxes = [...range.getClientRects()].filter((box) => box.width > 0);
  const [first, last] = [boxes[0], boxes.at(-1)];
  return [[first.left + 1, first.top + first.height / 2], [last.right - 1, last.top + last.height / 2]];
}}
"""

_HIGHLIGHTED = "name => [...(CSS.highlights.get(name) ?? [])].map((range) => range.toString())"


@dataclass(frozen=True)
class Panel:
    """The panel on a page of the site, and all that the page asks for."""

    page: Page
    stack: Stack
    sent: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.sent.append(request))

    @property
    def launcher(self) -> Locator:
        """The button that opens the panel."""
        return self.page.get_by_role("button", name="Ask the docs", exact=True)

    @property
    def root(self) -> Locator:
        """The panel itself."""
        dialog = self.page.get_by_role("dialog", name="Ask the docs", exact=True)
        return dialog.or_(self.page.get_by_role("complementary", name="Ask the docs", exact=True))

    @property
    def box(self) -> Locator:
        """Where a question is typed."""
        return self.root.get_by_role("textbox", name="Your question")

    @property
    def answer(self) -> Locator:
        """The last answer."""
        return self.answers.last

    @property
    def answers(self) -> Locator:
        """All answers of the thread."""
        return self.root.get_by_role("article", name="Answer")

    @property
    def quote(self) -> Locator:
        """The quoted text above the box."""
        return self.root.get_by_role("region", name="Quoted text")

    @property
    def alert(self) -> Locator:
        """What went wrong."""
        return self.root.get_by_role("alert")

    def button(self, name: str) -> Locator:
        """A button of the panel; behind its name may stand what it is about, or how much."""
        return self.root.get_by_role("button", name=re.compile(rf"^{name}($|:| \()"))

    def visit(self, path: str = "docs/") -> None:
        """Load a page of the site."""
        self.page.goto(self.stack.site + path)
        # Docusaurus replaces code blocks and tabs once it has hydrated; what was marked in them before is lost.
        expect(self.page.locator("html")).to_have_attribute("data-has-hydrated", "true")

    def open(self) -> None:
        """Open the panel with the mouse, on the first page of the docs if none is shown."""
        if self.page.url == "about:blank":
            self.visit()
        self.launcher.click()
        expect(self.box).to_be_focused()

    def ask(self, question: str) -> None:
        """Send a question."""
        self.box.fill(question)
        self.box.press("Enter")

    def shows(self, text: str) -> None:
        """Wait until the last answer ends, and holds `text`."""
        expect(self.answer).to_contain_text(text)
        self.ends()

    def ends(self) -> None:
        """Wait until nothing is being answered."""
        expect(self.button("Stop")).to_be_hidden()

    def lose_the_server(self) -> None:
        """Cut the connections to the server, and let no new one through."""
        self.stack.wire.refusing = True
        self.stack.wire.reset()

    def drag(self, first: str, last: str | None = None, root: str = ARTICLE) -> str:
        """Mark text with the mouse, from the first words to the last, and return it as the browser gives it."""
        begin, end = self.page.evaluate(_ENDS, [root, first, last or first])
        self.page.mouse.move(*begin)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=4)
        self.page.mouse.up()
        return self.page.evaluate("getSelection().toString()")

    def mark(self, first: str, last: str | None = None, root: str = ARTICLE) -> str:
        """Mark text without the mouse, as keys and touch do, and return it as the browser gives it."""
        return self.page.evaluate(_MARK, [root, first, last or first])

    def rest_on(self, first: str, last: str) -> None:
        """Lay a finger on the first of these words for as long as it takes to mark them.

        The touch is Chromium's own. That a long one marks a word is not: without a screen Chromium does not do it.
        """
        [x, y], _ = self.page.evaluate(_ENDS, [ARTICLE, first, last])
        touch = self.page.context.new_cdp_session(self.page)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        self.mark(first, last)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def ask_about_this(self) -> None:
        """Quote what is marked."""
        self.page.get_by_role("button", name="Ask about this").click()
        expect(self.quote).to_be_visible()
        expect(self.box).to_be_focused()

    def highlighted(self, name: str) -> list[str]:
        """Return the texts of the page that are highlighted under a name."""
        return self.page.evaluate(_HIGHLIGHTED, name)

    def expect_highlighted(self, name: str, *texts: str) -> None:
        """Wait until exactly these texts of the page are highlighted."""
        self.page.wait_for_function(
            f"([name, texts]) => JSON.stringify(({_HIGHLIGHTED})(name)) === texts",
            arg=[name, json.dumps(texts, ensure_ascii=False, separators=(",", ":"))],
        )

    def bodies(self, path: str = "/chat/stream") -> list[dict[str, Any]]:
        """Return the bodies that were posted to a path of the server."""
        url = self.stack.api + path
        return [request.post_data_json for request in self.sent if request.method == "POST" and request.url == url]

    def stored(self) -> list[dict[str, Any]]:
        """Return the messages of this reader's last thread, as the server has them."""
        held = self.page.evaluate("key => localStorage.getItem(key)", f"citeside:{self.stack.api}")
        headers = {"Authorization": f"Bearer {json.loads(held)['token']}"}
        with httpx.Client(base_url=self.stack.api, headers=headers, trust_env=False) as client:
            thread = client.get("/threads").raise_for_status().json()["data"][0]
            return client.get(f"/threads/{thread['id']}/messages").raise_for_status().json()["data"]
