"""Questions about marked text: what is sent, what is said, and how more text is given."""

import pytest
from playwright.sync_api import expect

from tests.browser.model import Model
from tests.browser.panel import Panel

LABEL = "Answer constrained to provided text."
LASTS = "A session expires 30 days after it was last seen: expires_at is last_seen_at plus 30 days."


def test_marked_prose_is_quoted_sent_and_alone_answered_from(panel: Panel, model: Model) -> None:
    model.quotes(LASTS, about="session last")
    panel.visit("docs/api/sessions/")
    marked = panel.drag("A session expires", "a database write each time.")
    assert marked.startswith("A session expires 30 days")
    panel.ask_about_this()
    expect(panel.quote).to_contain_text("The answer uses only this text.")
    expect(panel.quote).to_contain_text("A session expires 30 days")
    panel.ask("How long does a session last?")
    panel.shows(LABEL)
    expect(panel.answer).to_contain_text("A session expires 30 days after it was last seen")
    assert panel.answer.inner_text().count(LABEL) == 1
    panel.expect_highlighted("citeside-used", LASTS)
    [body] = panel.bodies()
    selector = body["selector"]
    assert body["selected_text"] == marked
    assert body["source"] == {
        "url": panel.stack.site + "docs/api/sessions/",
        "path": "docs/api/sessions/",
        "title": "Sessions",
        "heading_id": "how-long-a-session-lasts",
        "version": "current",
        "locale": "en",
    }
    assert selector["end"] - selector["start"] == len(marked)


@pytest.mark.parametrize(
    "path, first, last, wanted",
    [
        pytest.param(
            "docs/api/sessions/",
            "curl -s -X POST",
            "-d '{}'",
            "```\ncurl -s -X POST http://127.0.0.1:8000/sessions \\\n"
            "  -H 'Content-Type: application/json' -d '{}'\n```",
            id="code of two lines",
        ),
        pytest.param("docs/api/sessions/", "Your own name", "the session.", None, id="table cell"),
        pytest.param("docs/quick-start/", "version 3.11 or later", "disk space", None, id="list items"),
        pytest.param("docs/api/sessions/", "The token is shown", "after it was last seen", None, id="over a heading"),
        pytest.param("docs/api/sessions/", "How long a session lasts", None, None, id="heading"),
    ],
)
def test_the_text_is_sent_as_the_reader_sees_it(
    panel: Panel, model: Model, path: str, first: str, last: str | None, wanted: str | None
) -> None:
    model.quotes(about="it")
    panel.visit(path)
    marked = panel.mark(first, last)
    panel.ask_about_this()
    panel.ask("What does it say?")
    panel.shows(LABEL)
    [body] = panel.bodies()
    assert "\u200b" not in body["selected_text"]
    assert body["selected_text"].split() == (wanted or marked).replace("\u200b", "").split()
    if wanted:
        assert body["selected_text"].strip() == wanted
    assert body["selector"] is None or body["selector"]["start"] < body["selector"]["end"]


def test_code_within_the_marked_text_is_quoted_and_answered_as_code(panel: Panel, model: Model) -> None:
    command = 'curl -s -X DELETE http://127.0.0.1:8000/sessions/me -H "Authorization: Bearer $TOKEN"'
    model.quotes(command, about="erase")
    panel.visit("docs/api/sessions/")
    panel.mark(command[:17], "204 No Content")
    panel.ask_about_this()
    expect(panel.quote.locator("pre")).to_have_text(command)
    panel.ask("How do I erase a session?")
    panel.shows(LABEL)
    expect(panel.answer.locator("pre")).to_have_text(command)
    panel.expect_highlighted("citeside-used", command)
    [body] = panel.bodies()
    assert body["selected_text"] == f"```\n{command}\n```\nThe answer is 204 No Content"


def test_offsets_count_an_emoji_as_one(panel: Panel, model: Model) -> None:
    last = "An offset used without conversion would be off by one after each such character."
    model.quotes(last, about="offset")
    panel.visit("docs/api/offsets/")
    marked = panel.mark("The text 👍 ok has", "each such character.")
    assert "👍" in marked
    panel.ask_about_this()
    panel.ask("What happens without conversion?")
    panel.shows(LABEL)
    panel.expect_highlighted("citeside-used", last)
    [body] = panel.bodies()
    selector = body["selector"]
    assert body["selected_text"] == marked
    assert selector["end"] - selector["start"] == len(marked)
    assert panel.stored()[-1]["verdict"]["used"] == [{"start": marked.index(last), "end": len(marked)}]


def test_text_that_does_not_suffice_says_what_is_missing_and_the_page_is_asked_instead(
    panel: Panel, model: Model
) -> None:
    model.quotes(LASTS, missing="time", about="session last")
    panel.visit("docs/api/sessions/")
    panel.drag("The token is shown once.")
    panel.ask_about_this()
    panel.ask("How long does a session last?")
    panel.shows("The selected text does not answer this question.")
    expect(panel.answer).to_contain_text("a date or time about “session last”")
    expect(panel.answer).to_contain_text("a sentence that gives a date or time about “session last”.")
    panel.button("Use this page").click()
    expect(panel.answers).to_have_count(2)
    panel.shows("A session expires 30 days after it was last seen")
    small, large = panel.bodies()
    assert small["selected_text"] == "The token is shown once."
    assert large["message"] == small["message"]
    assert "A session stands for one reader's browser" in large["selected_text"].replace("’", "'")
    assert [message["role"] for message in panel.stored()] == ["user", "assistant"] * 2


def test_the_section_around_a_text_can_be_asked(panel: Panel, model: Model) -> None:
    model.quotes("Using the session renews it.", about="renews")
    panel.visit("docs/api/sessions/")
    panel.drag("A session expires 30 days")
    panel.ask_about_this()
    panel.ask("What renews a session?")
    panel.shows("The selected text does not answer this question.")
    panel.button("Use this section").click()
    expect(panel.answers).to_have_count(2)
    panel.shows("Using the session renews it.")
    large = panel.bodies()[-1]["selected_text"]
    assert "How long a session lasts" in large
    assert "Where to keep the token" not in large


def test_all_docs_can_be_asked_when_a_text_does_not_suffice(panel: Panel, model: Model) -> None:
    model.quotes(about="session last")
    panel.visit("docs/api/sessions/")
    panel.drag("The token is shown once.")
    panel.ask_about_this()
    panel.ask("How long does a session last?")
    panel.shows("The selected text does not answer this question.")
    panel.button("Search all docs").click()
    expect(panel.answers).to_have_count(2)
    panel.shows("A session lasts 30 days.")
    assert "selected_text" not in panel.bodies()[-1]
    expect(panel.answer).not_to_contain_text(LABEL)


def test_a_quote_stays_for_the_next_question_until_it_is_removed(panel: Panel, model: Model) -> None:
    model.quotes(LASTS, about="session last")
    panel.visit("docs/api/sessions/")
    panel.drag("A session expires", "plus 30 days.")
    panel.ask_about_this()
    panel.ask("How long does a session last?")
    panel.shows(LABEL)
    expect(panel.quote).to_be_visible()
    panel.button("Remove quote").click()
    expect(panel.quote).to_be_hidden()
    panel.ask("How long does a session last?")
    expect(panel.answers).to_have_count(2)
    panel.shows("A session lasts 30 days.")
    assert ["selected_text" in body for body in panel.bodies()] == [True, False]


def test_a_finger_opens_the_panel_and_asks_about_the_text_it_rests_on(panel: Panel, model: Model) -> None:
    context = panel.stack.browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    phone = Panel(context.new_page(), panel.stack)
    phone.visit("docs/api/sessions/")
    phone.launcher.tap()
    expect(phone.box).to_be_focused()
    phone.button("Close").tap()
    expect(phone.root).to_be_hidden()
    offer = phone.page.get_by_role("button", name="Ask about this")
    phone.rest_on("A session expires", "plus 30 days.")
    box = offer.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert 780 / 2 < box["y"] < 780 - 48 - box["height"]  # low, and clear of the system's own menu
    offer.tap()
    expect(phone.quote).to_contain_text("A session expires")
    expect(phone.quote).to_contain_text("plus 30 days.")
    context.close()


def test_marking_in_the_panel_or_nothing_offers_nothing(panel: Panel) -> None:
    offer = panel.page.get_by_role("button", name="Ask about this")
    panel.visit("docs/api/sessions/")
    panel.drag("The token is shown once.")
    expect(offer).to_be_visible()
    panel.page.evaluate("getSelection().removeAllRanges()")
    expect(offer).to_be_hidden()
    panel.open()
    panel.ask("How long does a session last?")
    panel.shows("A session lasts 30 days.")
    panel.page.evaluate("answer => getSelection().selectAllChildren(answer)", panel.answer.element_handle())
    expect(offer).to_be_hidden()
