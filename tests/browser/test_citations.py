"""Citations: they show what they rest on, and lead to the very sentence without a reload."""

from playwright.sync_api import expect

from tests.browser.model import Model
from tests.browser.panel import Panel

LASTS = "A session expires 30 days after it was last seen"


def test_a_citation_shows_its_quote_and_leads_to_it_without_a_reload(panel: Panel) -> None:
    panel.open()
    panel.page.evaluate("window.stillHere = true")
    panel.ask("How long does a session last?")
    panel.shows("A session lasts 30 days.")
    marker = panel.answer.get_by_label("Source 1: Sessions")
    marker.hover()
    expect(panel.page.get_by_text(LASTS).first).to_be_visible()
    [citation] = panel.stored()[-1]["citations"]
    marker.click()
    panel.page.wait_for_url("**/docs/api/sessions/*")
    panel.expect_highlighted("citeside-cite", citation["quote"])
    assert LASTS in citation["quote"]
    expect(panel.page.get_by_role("heading", level=1, name="Sessions")).to_be_visible()
    expect(panel.answer).to_be_visible()
    assert panel.page.evaluate("window.stillHere")
    panel.page.go_back()
    panel.page.wait_for_url("**/docs/")
    assert panel.page.evaluate("window.stillHere")


def test_a_citation_opens_the_tab_that_hides_its_sentence(panel: Panel, model: Model) -> None:
    hidden = "Citeside ingests its HTML files and serves the folder beside the API."
    model.says(f"Citeside ingests its HTML files and serves the folder. [[{hidden}]]")
    panel.open()
    panel.ask("What does the demo do with a build folder, the output of docusaurus build?")
    panel.shows("ingests its HTML files")
    panel.answer.get_by_label("Source 1: Quick start").click()
    panel.page.wait_for_url("**/docs/quick-start/*")
    expect(panel.page.get_by_role("tab", name="A build folder")).to_have_attribute("aria-selected", "true")
    expect(panel.page.get_by_text(hidden)).to_be_in_viewport()
    panel.expect_highlighted("citeside-cite", hidden)


def test_a_citation_opens_the_details_that_hide_its_sentence(panel: Panel, model: Model) -> None:
    hidden = "It computes the hashes of the inline scripts of each page"
    model.says(f"A script computes the hashes. [[{hidden}]]")
    panel.visit("docs/guides/panel/")
    details = panel.page.locator("details").filter(has_text="A script that writes the policy")
    expect(panel.page.get_by_text(hidden)).to_be_hidden()
    panel.open()
    panel.ask("Which script computes the hashes of the inline scripts of each page for the policy?")
    panel.shows("A script computes the hashes.")
    panel.answer.get_by_label("Source 1: Add the panel to your site").click()
    expect(details).to_have_attribute("open", "")
    expect(panel.page.get_by_text(hidden)).to_be_in_viewport()
    panel.page.wait_for_function("CSS.highlights.get('citeside-cite')?.size > 0")
    assert [hidden in text for text in panel.highlighted("citeside-cite")] == [True]


def test_a_citation_on_the_page_that_is_open_scrolls_there(panel: Panel) -> None:
    panel.visit("docs/api/sessions/")
    panel.open()
    panel.ask("How long does a session last?")
    panel.shows("A session lasts 30 days.")
    panel.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    panel.answer.get_by_label("Source 1: Sessions").click()
    expect(panel.page.get_by_role("heading", name="How long a session lasts")).to_be_in_viewport()
    panel.page.wait_for_function("CSS.highlights.get('citeside-cite')?.size > 0")


def test_what_no_source_supports_is_marked(panel: Panel, model: Model) -> None:
    model.says(
        "A session expires 30 days after it was last seen [[30 days after it was last seen]]. ",
        "The moon orbits the earth in 27 days.",
    )
    panel.open()
    panel.ask("How long does a session last?")
    panel.shows("The moon orbits")
    content = panel.stored()[-1]["content"]
    spans = [content[span["start"] : span["end"]] for span in panel.stored()[-1]["grounding"]["unsupported"]]
    assert spans == ["The moon orbits the earth in 27 days."]
    expect(panel.answer.locator("[class*=unsupported]").first).to_contain_text("The moon orbits")
