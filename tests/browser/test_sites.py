"""Sites as others have them: their own Root, other widgets, an ejected panel, languages, a strict policy."""

import re

from playwright.sync_api import expect

from tests.browser.model import Model
from tests.browser.panel import Panel
from tests.browser.stack import GUARDED

QUESTION = "How long does a session last?"

_VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => violations.push(event.blockedURI));
"""


def test_an_ejected_panel_lives_beside_a_root_and_a_widget_of_others(other: Panel) -> None:
    page = other.page
    expect(page.locator("[data-root=site] > [data-root=widget]").get_by_role("article")).to_be_visible()
    widget = page.get_by_role("button", name="Widget")
    widget.click()
    other.open()
    expect(other.root.get_by_role("heading", name="Our own panel")).to_be_visible()
    other.ask(QUESTION)
    other.shows("A session lasts 30 days.")
    page.get_by_role("link", name="The long page").first.click()
    expect(page.get_by_role("heading", level=1, name="The long page")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-routes", "2")
    expect(other.answer).to_contain_text("A session lasts 30 days.")
    widget.click()
    expect(widget).to_have_text("Widget: 2")


def test_a_page_that_is_too_long_to_be_asked_says_its_length(other: Panel, model: Model) -> None:
    model.quotes(missing="time", about="session last")
    other.page.get_by_role("link", name="The long page").first.click()
    other.drag("A kettle boils at sea level.")
    other.ask_about_this()
    other.ask(QUESTION)
    other.shows("The selected text does not answer this question.")
    wide = other.button("Use this page")
    expect(wide).to_be_disabled()
    expect(wide).to_contain_text(re.compile(r"2\d,\d{3}.*20,000"))
    expect(other.button("Search all docs")).to_be_enabled()


def test_a_citation_into_another_language_is_highlighted_there(other: Panel) -> None:
    other.open()
    other.ask(QUESTION)
    other.shows("A session lasts 30 days.")
    [citation] = other.stored()[-1]["citations"]
    other.page.evaluate("window.stillHere = true")
    other.answer.get_by_label("Source 1: Sessions").click()
    other.page.wait_for_url(re.compile(r"/project/docs/api/sessions/"))
    other.page.wait_for_load_state()
    assert other.page.evaluate("window.stillHere") is None
    other.expect_highlighted("citeside-cite", citation["quote"])
    expect(other.page.get_by_role("heading", name="How long a session lasts")).to_be_in_viewport()
    other.shows("A session lasts 30 days.")
    assert other.page.evaluate("sessionStorage.getItem('citeside-wanted')") is None


def test_the_recommended_policy_is_never_violated(panel: Panel) -> None:
    panel.page.add_init_script(_VIOLATIONS)
    panel.visit(f"{GUARDED}/")
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    panel.answer.get_by_label("Source 1: Sessions").click()
    panel.page.wait_for_function("CSS.highlights.get('citeside-cite')?.size > 0")
    assert panel.page.evaluate("violations") == []
    panel.page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: '1'}))")
    panel.page.wait_for_function("violations.length === 1")  # the policy is in force
