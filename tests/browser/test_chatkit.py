"""A site that chose ChatKit: our half of it against the real server, and the built-in panel where it does not come.

OpenAI's element itself is never loaded: `chatkit.js` stands in for it.
"""

import re

import pytest
from playwright.sync_api import ConsoleMessage, expect

from tests.browser.chatkit import CDN, SCRIPT, ChatKit, stand_in
from tests.browser.model import HOLD, Model
from tests.browser.panel import Panel
from tests.browser.test_access import PANEL, violations

QUESTION = "How long does a session last?"
ANSWER = "A session lasts 30 days."
CONSTRAINED = "Answer constrained to provided text."
BOILS = "A kettle boils at sea level."


@pytest.fixture
def chatkit(other: Panel) -> ChatKit:
    """ChatKit on a page of the other site."""
    stand_in(other.page)
    return ChatKit(other)


def test_nothing_is_asked_of_openai_before_the_panel_is_opened(chatkit: ChatKit) -> None:
    panel = chatkit.panel
    panel.page.wait_for_load_state("networkidle")
    panel.launcher.hover()
    expect(panel.page.locator("[role=dialog]")).to_be_attached()  # its script is there, and has put it into the page
    assert not [request.url for request in panel.sent if "openai" in request.url]
    chatkit.open()
    assert [request.url for request in panel.sent if "openai" in request.url] == [
        SCRIPT,
        f"{CDN}/deployments/chatkit/frame.html",
    ]


def test_the_built_in_panel_asks_its_site_and_its_server_alone(panel: Panel) -> None:
    panel.open()
    panel.ask(QUESTION)
    panel.shows(ANSWER)
    ours = panel.stack.site.removesuffix("/project/"), panel.stack.api
    assert [request.url for request in panel.sent if not request.url.startswith(ours)] == []


def test_an_answer_streams_and_can_be_stopped_before_the_next_question(chatkit: ChatKit, model: Model) -> None:
    model.says("A session is kept ", HOLD, "for 30 days.")
    chatkit.open()
    chatkit.ask(QUESTION)
    chatkit.shows(QUESTION, "A session is kept")
    chatkit.press("Stop answer")
    model.says(ANSWER, " [[30 days after it was last seen]]")
    chatkit.ask("How long is a session kept?")
    chatkit.shows(QUESTION, "A session is kept", "How long is a session kept?", ANSWER)
    assert [message["status"] for message in chatkit.panel.stored()] == ["completed", "cancelled"] + ["completed"] * 2
    [asked] = chatkit.bodies("threads.create")
    source = asked["metadata"]["source"]
    assert (source["path"], source["version"], source["locale"]) == ("nl/docs/", "current", "nl")


def test_marked_text_is_all_that_an_answer_uses_until_it_is_taken_away(chatkit: ChatKit, model: Model) -> None:
    panel = chatkit.panel
    model.quotes(BOILS, about="kettle boils")
    panel.page.get_by_role("link", name="The long page").first.click()
    panel.drag(BOILS)
    panel.page.get_by_role("button", name="Ask about this").click()
    expect(panel.quote).to_contain_text(BOILS)
    expect(chatkit.box).to_be_focused()
    chatkit.ask("Where does it boil?")
    chatkit.shows("Where does it boil?", CONSTRAINED)
    expect(chatkit.items.first.locator("q")).to_have_text(BOILS)
    [asked] = chatkit.bodies("threads.create")
    assert asked["params"]["input"]["quoted_text"] == BOILS
    assert asked["metadata"]["source"]["path"] == "nl/docs/long/"
    assert asked["metadata"]["selector"]["end"] - asked["metadata"]["selector"]["start"] == len(BOILS)
    panel.button("Remove quote").click()
    chatkit.ask(QUESTION)
    expect(chatkit.items).to_have_count(4)
    expect(chatkit.items.last).to_contain_text(ANSWER)
    assert [message.get("mode") for message in panel.stored()] == [None, "constrained", None, "grounded"]


def test_a_citation_is_highlighted_in_the_site_which_stays(chatkit: ChatKit) -> None:
    page = chatkit.panel.page
    chatkit.open()
    chatkit.ask(QUESTION)
    chatkit.shows(QUESTION, ANSWER)
    page.evaluate("window.stillHere = true")
    cited = {"id": "1", "title": "The long page", "data": {"path": "nl/docs/long/", "url": "", "quote": BOILS}}
    chatkit.element.evaluate("(element, cited) => element.options.entities.onClick(cited)", cited)
    chatkit.panel.expect_highlighted("citeside-cite", BOILS)
    assert page.evaluate("window.stillHere")
    chatkit.shows(QUESTION, ANSWER)
    [citation] = chatkit.panel.stored()[-1]["citations"]
    chatkit.press("Sessions")
    page.wait_for_url(re.compile(r"/project/docs/api/sessions/"))
    chatkit.panel.expect_highlighted("citeside-cite", citation["quote"])


def test_the_element_follows_the_colours_of_the_site_and_keeps_its_other_options(chatkit: ChatKit) -> None:
    page = chatkit.panel.page
    chatkit.open()
    page.wait_for_function("document.querySelector('openai-chatkit').options.disclaimer")  # as /config has come
    before = chatkit.options()
    assert (before["theme"], before["locale"]) == ({"colorScheme": "light"}, "nl")
    assert before["api"] == {"url": f"{chatkit.panel.stack.api}/chatkit", "domainKey": "localhost"}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function("document.querySelector('openai-chatkit').options.theme.colorScheme === 'dark'")
    assert chatkit.options() == before | {"theme": {"colorScheme": "dark"}}


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_violation_around_the_element(chatkit: ChatKit, colours: str) -> None:
    panel = chatkit.panel
    panel.page.emulate_media(color_scheme=colours)  # pyright: ignore[reportArgumentType]
    panel.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", colours)
    panel.drag("A kettle holds two litres.")
    panel.page.get_by_role("button", name="Ask about this").click()
    expect(chatkit.box).to_be_focused()
    assert violations(panel.page, PANEL) == []


def test_a_thread_is_kept_over_a_reload_and_is_that_of_the_built_in_panel(chatkit: ChatKit, model: Model) -> None:
    panel = chatkit.panel
    model.says("A session lasts ", HOLD, "30 days.")
    chatkit.open()
    chatkit.ask(QUESTION)
    chatkit.shows(QUESTION, "A session lasts")
    panel.page.reload()
    chatkit.shows(QUESTION)
    model.go_on()
    chatkit.shows(QUESTION, ANSWER)
    panel.visit()
    panel.shows(ANSWER)
    panel.visit("nl/docs/")
    chatkit.shows(QUESTION, ANSWER)
    chatkit.press("New thread")
    expect(chatkit.items).to_have_count(0)
    panel.visit()
    expect(panel.root).to_be_visible()
    expect(panel.answers).to_have_count(0)


def test_an_answer_is_rated_and_given_anew(chatkit: ChatKit, model: Model) -> None:
    chatkit.open()
    chatkit.ask(QUESTION)
    chatkit.shows(QUESTION, ANSWER)
    with chatkit.panel.page.expect_response(re.compile("/chatkit$")) as rated:
        chatkit.press("Good answer")
    assert rated.value.ok
    assert chatkit.panel.stored()[-1]["feedback"]["rating"] == "up"
    model.says("It lasts a month.")
    chatkit.press("Retry")
    chatkit.shows(QUESTION, "It lasts a month.")


def test_a_thread_that_was_deleted_elsewhere_is_left(chatkit: ChatKit) -> None:
    panel = chatkit.panel
    panel.page.evaluate(
        "key => localStorage.setItem(key, '01890000-0000-7000-8000-000000000000')",
        f"citeside:{panel.stack.api}:thread",
    )
    chatkit.open()
    panel.page.wait_for_function("key => localStorage.getItem(key) === null", arg=f"citeside:{panel.stack.api}:thread")
    chatkit.ask(QUESTION)
    chatkit.shows(QUESTION, ANSWER)


@pytest.mark.parametrize("blocked", [True, False], ids=["blocked", "silent"])
def test_the_built_in_panel_takes_over_where_the_element_does_not_come(other: Panel, blocked: bool) -> None:
    page = other.page
    said: list[ConsoleMessage] = []
    page.on("console", lambda message: said.append(message) if message.type == "warning" else None)
    if not blocked:
        # The script loads, and that is all.
        stand_in(page, script="")
        page.clock.install()
    other.drag("A kettle holds two litres.")
    page.get_by_role("button", name="Ask about this").click()
    if not blocked:
        expect(other.root.get_by_text("Loading")).to_be_visible()
        page.wait_for_function("document.querySelector('script[src*=openai]')")
        page.clock.fast_forward(10_000)
    expect(other.box).to_be_focused()
    expect(other.quote).to_contain_text("A kettle holds two litres.")
    other.button("Remove quote").click()
    other.ask(QUESTION)
    other.shows(ANSWER)
    [line] = [message.text for message in said if "Citeside" in message.text]
    assert "https://platform.openai.com/settings/organization/security/domain-allowlist" in line
