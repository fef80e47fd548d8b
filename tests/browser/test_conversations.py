"""What is kept: past conversations, opinions, and the reader's right to have all of it deleted."""

import re

import httpx
from playwright.sync_api import expect

from tests.browser.panel import Panel

QUESTION = "How long does a session last?"


def test_an_opinion_with_a_note_is_stored(panel: Panel) -> None:
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    panel.answer.get_by_role("button", name="Helpful", exact=True).click()
    expect(panel.answer.get_by_role("button", name="Helpful", exact=True)).to_have_attribute("aria-pressed", "true")
    with panel.page.expect_response(re.compile("/feedback$")):
        panel.answer.get_by_role("button", name="Not helpful", exact=True).click()
    expect(panel.answer.get_by_role("button", name="Not helpful", exact=True)).to_have_attribute("aria-pressed", "true")
    assert panel.stored()[-1]["feedback"]["rating"] == "down"
    panel.answer.get_by_role("radio", name="Something is missing").check()
    panel.answer.get_by_role("textbox", name="Note (optional)").fill("Where is the token kept? 👍")
    with panel.page.expect_response(re.compile("/feedback$")):
        panel.button("Send feedback").click()
    expect(panel.answer.get_by_role("radio")).to_have_count(0)
    expect(panel.answer).to_contain_text("Thank you")
    feedback = panel.stored()[-1]["feedback"]
    assert (feedback["rating"], feedback["reason"], feedback["note"]) == (
        "down",
        "Something is missing",
        "Where is the token kept? 👍",
    )


def test_conversations_are_listed_renamed_and_deleted(panel: Panel) -> None:
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    panel.button("New conversation").click()
    expect(panel.answers).to_have_count(0)
    panel.ask("How long is a session kept?")
    panel.shows("A session lasts 30 days.")
    panel.button("Conversations").click()
    first = panel.root.get_by_role("listitem").filter(has_text=QUESTION)
    expect(first).to_be_visible()
    first.get_by_role("button", name="Rename").click()
    title = panel.root.get_by_role("textbox", name="New title")
    title.fill("Sessions")
    title.press("Enter")
    renamed = panel.root.get_by_role("listitem").filter(has_text="Sessions")
    expect(renamed).to_be_visible()
    renamed.get_by_role("button", name=re.compile("^Sessions")).click()
    expect(panel.answers).to_have_count(1)
    expect(panel.root).to_contain_text(QUESTION)
    panel.button("Conversations").click()
    renamed.get_by_role("button", name="Delete").click()
    renamed.get_by_role("group", name="Delete this conversation?").get_by_role("button", name="Delete").click()
    expect(renamed).to_have_count(0)
    expect(panel.root.get_by_role("listitem").filter(has_text="How long is a session kept?")).to_be_visible()


def test_a_conversation_is_still_there_after_a_reload(panel: Panel) -> None:
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    panel.page.reload()
    panel.shows("A session lasts 30 days.")
    panel.ask("How long is a session kept?")
    expect(panel.answers).to_have_count(2)
    panel.shows("A session lasts 30 days.")
    assert [message["role"] for message in panel.stored()] == ["user", "assistant"] * 2


def test_a_reader_has_everything_deleted(panel: Panel) -> None:
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    key = f"citeside:{panel.stack.api}"
    token = panel.page.evaluate("key => JSON.parse(localStorage.getItem(key)).token", key)
    panel.button("Conversations").click()
    panel.button("Delete my data").click()
    with panel.page.expect_response(lambda response: response.status == 204):
        panel.button("Delete everything").click()
    expect(panel.answers).to_have_count(0)
    answer = httpx.get(f"{panel.stack.api}/threads", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_required")
    assert panel.page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('citeside'))") == []


def test_a_token_that_is_void_is_renewed_without_a_word(panel: Panel) -> None:
    panel.visit()
    panel.page.evaluate(
        "key => localStorage.setItem(key, JSON.stringify({session_id: '019abf3e-6c1d-7c4e-9a55-0b7a4e2d9d10',"
        " token: 'void', expires_at: '2126-01-01T00:00:00Z'}))",
        f"citeside:{panel.stack.api}",
    )
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    expect(panel.alert).to_have_count(0)
