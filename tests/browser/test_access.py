"""Who can use the panel: by assistive technology, in both colour modes, on a phone, magnified."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.model import HOLD, Model
from tests.browser.panel import Panel

QUESTION = "How long does a session last?"

PANEL = "[role=dialog]"

LISTED = "- one\n- two\n\n```js\nconst days = 30;\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n"


def violations(page: Page, within: str = "html") -> list[str]:
    """Return what axe finds on the page or in a part of it; raises when there is no such part."""
    page.evaluate("() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished))")
    return [
        f"{rule['id']}: {node['html']} {node['failureSummary']}"
        for rule in Axe().run(page, context=within).response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_violation(panel: Panel, model: Model, colours: str) -> None:
    panel.page.emulate_media(color_scheme=colours, reduced_motion="reduce")  # pyright: ignore[reportArgumentType]
    panel.visit("docs/guides/panel/")
    expect(panel.page.locator("html")).to_have_attribute("data-theme", colours)
    panel.page.get_by_text("A script that writes the policy").click()
    expect(panel.page.get_by_text("readFileSync").first).to_be_visible()
    expect(panel.launcher).to_be_visible()
    assert violations(panel.page) == []
    panel.visit("docs/api/sessions/")
    panel.open()
    assert violations(panel.page) == []
    model.says(LISTED, "A session expires 30 days after it was last seen. [[30 days after it was last seen]] The moon.")
    panel.ask(QUESTION)
    panel.shows("The moon.")
    assert violations(panel.page, PANEL) == []
    model.quotes(missing="time", about="session last")
    panel.mark("The token is shown once.")
    panel.ask_about_this()
    panel.ask(QUESTION)
    expect(panel.answers).to_have_count(2)
    panel.shows("The selected text does not answer this question.")
    assert violations(panel.page, PANEL) == []
    panel.button("Conversations").click()
    expect(panel.root.get_by_role("listitem").filter(has_text=QUESTION).first).to_be_visible()
    assert violations(panel.page, PANEL) == []


@pytest.mark.parametrize("width, height", [(1200, 800), (390, 780), (320, 640)], ids=["wide", "phone", "magnified"])
def test_nothing_is_cut_off_or_scrolls_sideways(panel: Panel, model: Model, width: int, height: int) -> None:
    panel.page.set_viewport_size({"width": width, "height": height})
    model.says(LISTED, "verylongword" * 20, " A session lasts 30 days. [[30 days after it was last seen]]")
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    assert panel.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = panel.root.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height + 1
    for part in (panel.box, panel.button("Close"), panel.button("Send")):
        expect(part).to_be_in_viewport()
    assert panel.answer.evaluate("answer => answer.scrollWidth <= answer.clientWidth")


def test_the_panel_has_the_colours_of_the_page(panel: Panel) -> None:
    background = "panel => getComputedStyle(panel).backgroundColor"
    panel.open()
    light = panel.root.evaluate(background)
    panel.page.evaluate("document.documentElement.setAttribute('data-theme', 'dark')")
    dark = panel.root.evaluate(background)
    assert light != dark
    assert "rgba(0, 0, 0, 0)" not in (light, dark)


def test_sentences_are_announced_and_not_letters(panel: Panel, model: Model) -> None:
    panel.open()
    panel.page.evaluate("""
        window.announced = [];
        new MutationObserver(() => {
            for (const region of document.querySelectorAll('[aria-live]:not([aria-live=off]), [role=status]'))
                if (region.textContent && announced.at(-1) !== region.textContent) announced.push(region.textContent);
        }).observe(document, {subtree: true, childList: true, characterData: true});
    """)
    words = "A session lasts 30 days. It is renewed by each use.".split(" ")
    model.says(*(f"{word} " for word in words), "[[30 days after it was last seen]]", pace=0.01)
    panel.ask(QUESTION)
    panel.shows("It is renewed by each use.")
    panel.page.wait_for_function("announced.some((text) => text.includes('A session lasts 30 days.'))")
    announced = panel.page.evaluate("announced")
    assert not [text for text in announced if text.rstrip().endswith(("A session", "A session lasts", "lasts 30"))]


def test_a_screen_reader_is_told_each_sentence_once_and_in_order(panel: Panel, model: Model) -> None:
    sentences = ["A session lasts 30 days.", "It is renewed by each use.", "That was all."]
    text = f"{' '.join(sentences)} [[30 days after it was last seen]]"
    begun = text.index("renewed")
    model.says(text[:begun], HOLD, text[begun:])
    panel.open()
    panel.page.evaluate("""
        window.told = [];
        new MutationObserver((changes) => {
            for (const {target, addedNodes} of changes)
                if (target.closest?.('[aria-live=polite][aria-relevant=additions]'))
                    told.push(...[...addedNodes].map((node) => node.textContent));
        }).observe(document, {subtree: true, childList: true});
    """)
    panel.ask(QUESTION)
    panel.page.wait_for_function("told.length > 0")
    assert panel.page.evaluate("told") == sentences[:1]
    model.go_on()
    panel.shows(sentences[2])
    panel.page.wait_for_function("told.join(' ').includes('That was all.')")
    told = " ".join(panel.page.evaluate("told"))
    assert re.findall("|".join(map(re.escape, sentences)), told) == sentences


def test_a_screen_reader_finds_names_for_all_and_an_order_that_makes_sense(panel: Panel, model: Model) -> None:
    model.quotes(missing="time", about="session last")
    panel.visit("docs/api/sessions/")
    panel.mark("The token is shown once.")
    panel.ask_about_this()
    panel.ask(QUESTION)
    panel.shows("The selected text does not answer this question.")
    panel.button("Remove quote").click()
    panel.ask(QUESTION)
    expect(panel.answers).to_have_count(2)
    panel.shows("A session lasts 30 days.")
    panel.button("Show sources").last.click()
    expect(panel.root).to_match_aria_snapshot("""
        - dialog "Ask the docs":
          - banner:
            - heading "Ask the docs" [level=2]
            - button "New conversation"
            - button "Conversations"
            - button "Close"
          - region "Questions and answers":
            - heading "Question" [level=3]
            - blockquote: The token is shown once.
            - paragraph: How long does a session last?
            - article "Answer":
              - paragraph: Answer constrained to provided text.
              - paragraph: /The selected text does not answer this question/
              - button "Copy answer"
              - button "Helpful"
              - button "Not helpful"
            - heading "Question" [level=3]
            - paragraph: How long does a session last?
            - article "Answer":
              - button /Show sources/ [expanded]
              - list "Sources":
                - listitem:
                  - link /Sessions/
              - paragraph:
                - text: A session lasts 30 days.
                - 'button "Source 1: Sessions"'
              - button "Copy answer"
              - button "Helpful"
              - button "Not helpful"
          - status
          - textbox "Your question"
          - button "Send" [disabled]
    """)


def test_the_print_shows_the_page_alone(panel: Panel) -> None:
    panel.open()
    panel.page.emulate_media(media="print")
    expect(panel.root).to_be_hidden()
    expect(panel.launcher).to_be_hidden()
    expect(panel.page.get_by_role("heading", level=1)).to_be_visible()
