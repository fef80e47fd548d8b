"""Questions and answers: opened, asked, streamed, stopped, and continued whatever happens to the page or the wire."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.model import HOLD, Model
from tests.browser.panel import Panel

QUESTION = "How long does a session last?"
BEGUN = "A session is kept "
REST = "for 30 days after it was last seen. [[30 days after it was last seen]]"
WHOLE = "A session is kept for 30 days after it was last seen."

_DEAF = """
const ask = fetch;
window.fetch = async (...words) => {
  const response = await ask(...words);
  if (String(words[0]).endsWith('/chat/stream') && !sessionStorage.getItem('hears')) await new Promise(() => {});
  return response;
};
"""
"""Until a reload the page hears nothing of what the server says to a question."""


def test_a_click_opens_the_panel_and_a_question_gets_an_answer_with_its_source(panel: Panel, model: Model) -> None:
    model.says(BEGUN, HOLD, REST)
    panel.open()
    panel.ask(QUESTION)
    expect(panel.answer).to_contain_text(BEGUN.strip())
    expect(panel.button("Stop")).to_be_visible()
    expect(panel.answer).not_to_contain_text("30 days after")
    model.go_on()
    panel.shows(WHOLE)
    expect(panel.answer.get_by_label("Source 1: Sessions")).to_be_visible()
    expect(panel.box).to_have_value("")
    assert [(message["role"], message["status"]) for message in panel.stored()] == [
        ("user", "completed"),
        ("assistant", "completed"),
    ]


def test_a_page_loads_nothing_of_the_panel_and_asks_the_server_nothing_until_it_is_wanted(panel: Panel) -> None:
    panel.visit()
    panel.page.wait_for_load_state("networkidle")
    before = [request.url for request in panel.sent]
    assert not [url for url in before if url.startswith(panel.stack.api)]
    with panel.page.expect_request(lambda request: request.url not in before and request.url.endswith(".js")):
        panel.launcher.hover()


def test_the_shortcut_opens_and_closes_the_panel(panel: Panel) -> None:
    panel.visit()
    panel.page.keyboard.press("Control+i")
    expect(panel.box).to_be_focused()
    panel.page.keyboard.press("Control+i")
    expect(panel.root).to_be_hidden()


def test_escape_closes_the_panel_and_gives_the_focus_back(panel: Panel) -> None:
    panel.open()
    panel.page.keyboard.press("Escape")
    expect(panel.root).to_be_hidden()
    expect(panel.launcher).to_be_focused()


def test_the_keyboard_alone_asks(panel: Panel) -> None:
    panel.visit()
    panel.launcher.focus()
    panel.page.keyboard.press("Enter")
    expect(panel.box).to_be_focused()
    panel.page.keyboard.type("How long does")
    panel.page.keyboard.press("Shift+Enter")
    panel.page.keyboard.type("a session last?")
    panel.page.keyboard.press("Enter")
    panel.shows("A session lasts 30 days.")
    assert [body["message"] for body in panel.bodies()] == ["How long does\na session last?"]


def test_a_stop_keeps_what_was_said(panel: Panel, model: Model) -> None:
    model.says(BEGUN, HOLD, REST)
    panel.open()
    panel.ask(QUESTION)
    expect(panel.answer).to_contain_text(BEGUN.strip())
    panel.button("Stop").click()
    panel.ends()
    expect(panel.answer).to_contain_text(BEGUN.strip())
    expect(panel.alert).to_have_count(0)
    assert panel.stored()[-1]["status"] == "cancelled"


def test_a_reload_in_the_middle_goes_on_to_the_whole_answer_once(panel: Panel, model: Model) -> None:
    model.says(BEGUN, HOLD, REST)
    panel.open()
    panel.ask(QUESTION)
    expect(panel.answer).to_contain_text(BEGUN.strip())
    panel.page.reload()
    expect(panel.answer).to_contain_text(BEGUN.strip())
    model.go_on()
    panel.shows(WHOLE)
    expect(panel.answers).to_have_count(1)
    assert panel.answer.inner_text().count(BEGUN.strip()) == 1


def test_an_answer_goes_on_over_a_navigation(panel: Panel, model: Model) -> None:
    model.says(BEGUN, HOLD, REST)
    panel.open()
    panel.ask(QUESTION)
    expect(panel.answer).to_contain_text(BEGUN.strip())
    panel.page.get_by_role("link", name="API", exact=True).first.click()
    panel.page.wait_for_url("**/docs/api/")
    model.go_on()
    panel.shows(WHOLE)


@pytest.mark.parametrize("after", [False, True], ids=["before the text", "within the text"])
def test_a_dropped_connection_is_taken_up_where_it_broke(panel: Panel, model: Model, after: bool) -> None:
    model.says(*([BEGUN, HOLD, REST] if after else [HOLD, BEGUN, REST]))
    panel.open()
    with panel.page.expect_response(re.compile("/chat/stream$")):
        panel.ask(QUESTION)
    if after:
        expect(panel.answer).to_contain_text(BEGUN.strip())
    with panel.page.expect_request(re.compile(r"/(turns/[^/]+|chat)/stream$")):
        panel.stack.wire.reset()
    model.go_on()
    panel.shows(WHOLE)
    assert panel.answer.inner_text().count(BEGUN.strip()) == 1
    expect(panel.alert).to_have_count(0)
    assert len({body["client_message_id"] for body in panel.bodies()}) == 1


def test_a_connection_that_has_been_silent_for_half_a_minute_is_made_anew(panel: Panel, model: Model) -> None:
    model.says(BEGUN, HOLD, REST)
    panel.page.clock.install()
    panel.open()
    panel.ask(QUESTION)
    expect(panel.answer).to_contain_text(BEGUN.strip())
    panel.stack.wire.silent = True
    with panel.page.expect_request(re.compile(r"/turns/[^/]+/stream$")):
        panel.page.clock.run_for(20_000)
        expect(panel.root).not_to_contain_text("Reconnecting")
        panel.page.clock.run_for(15_000)
    panel.stack.wire.silent = False
    model.go_on()
    panel.shows(WHOLE)
    assert panel.answer.inner_text().count(BEGUN.strip()) == 1
    expect(panel.alert).to_have_count(0)


@pytest.mark.parametrize("stopped", [False, True], ids=["waited for", "stopped"])
def test_a_reload_before_the_turn_is_known_finds_it_again_unless_it_was_stopped(panel: Panel, stopped: bool) -> None:
    panel.page.add_init_script(_DEAF)
    panel.open()
    with panel.page.expect_response(re.compile("/chat/stream$")):
        panel.ask(QUESTION)
    if stopped:
        panel.button("Stop").click()
    panel.page.evaluate("sessionStorage.setItem('hears', '1')")
    panel.page.reload()
    if stopped:
        expect(panel.box).to_be_focused()
        panel.page.wait_for_load_state("networkidle")
        expect(panel.answers).to_have_count(0)
        assert len(panel.bodies()) == 1
        return
    panel.shows("A session lasts 30 days.")
    expect(panel.answers).to_have_count(1)
    first, again = panel.bodies()
    assert first == again
    assert [(message["role"], message["status"]) for message in panel.stored()] == [
        ("user", "completed"),
        ("assistant", "completed"),
    ]
    assert panel.page.evaluate("Object.keys(sessionStorage).filter((key) => key.endsWith(':asked'))") == []


def test_an_answer_waits_for_a_network_that_is_away(panel: Panel, model: Model) -> None:
    model.says(BEGUN, HOLD, REST)
    panel.open()
    panel.ask(QUESTION)
    expect(panel.answer).to_contain_text(BEGUN.strip())
    with panel.page.expect_event("requestfailed", lambda request: "/turns/" in request.url):
        panel.lose_the_server()
    model.go_on()
    panel.stack.wire.refusing = False
    panel.shows(WHOLE)
    assert panel.answer.inner_text().count(BEGUN.strip()) == 1


def test_a_second_tab_shows_the_answer_that_is_coming(panel: Panel, model: Model) -> None:
    model.says(BEGUN, HOLD, REST)
    panel.open()
    panel.ask(QUESTION)
    expect(panel.answer).to_contain_text(BEGUN.strip())
    second = Panel(panel.page.context.new_page(), panel.stack)
    second.open()
    expect(second.answer).to_contain_text(BEGUN.strip())
    model.go_on()
    second.shows(WHOLE)
    panel.shows(WHOLE)


def test_two_tabs_that_begin_at_once_are_one_reader(panel: Panel) -> None:
    second = Panel(panel.page.context.new_page(), panel.stack)
    for tab in (panel, second):
        tab.open()
    for tab in (panel, second):
        tab.ask(QUESTION)
    for tab in (panel, second):
        tab.shows("A session lasts 30 days.")
    assert len(panel.bodies("/sessions") + second.bodies("/sessions")) == 1


def test_a_link_with_a_question_fills_it_in_and_does_not_send_it(panel: Panel) -> None:
    panel.visit("docs/?ask=How%20long%20does%20a%20session%20last%3F")
    expect(panel.box).to_have_value(QUESTION)
    panel.page.wait_for_load_state("networkidle")
    assert panel.bodies() == []
    panel.box.press("Enter")
    panel.shows("A session lasts 30 days.")


def test_answers_and_code_are_copied(panel: Panel, model: Model) -> None:
    code = "const days = 30;\nconst hours = days * 24;"
    model.says(f"So:\n\n```js\n{code}\n```\n\nA session lasts 30 days. [[30 days after it was last seen]]")
    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    for name, wanted in (("Copy code", code), ("Copy answer", panel.stored()[-1]["content"])):
        copy = panel.answer.get_by_role("button", name=name, exact=True)
        copy.click()
        expect(copy).to_have_text("Copied")
        assert panel.page.evaluate("navigator.clipboard.readText()") == wanted


def test_an_answer_that_broke_off_can_be_had_again(panel: Panel, model: Model) -> None:
    model.says(BEGUN, "for a while, ", fault="error_event")
    panel.open()
    panel.ask(QUESTION)
    expect(panel.button("Try again")).to_be_visible()
    expect(panel.answer).to_contain_text(BEGUN.strip())
    model.says(BEGUN, REST)
    panel.button("Try again").click()
    panel.shows(WHOLE)
    expect(panel.answers).to_have_count(1)


def test_a_question_that_the_docs_do_not_cover_names_the_nearest_pages(panel: Panel) -> None:
    panel.open()
    panel.ask("Which wine goes with grilled octopus?")
    panel.shows("does not seem to cover this question")
    expect(panel.answer.get_by_role("link").first).to_be_visible()


def test_readers_are_told_in_their_language_when_conversations_are_deleted(panel: Panel) -> None:
    panel.open()
    expect(panel.root).to_contain_text("A conversation is deleted 90 days after you continued it last.")
