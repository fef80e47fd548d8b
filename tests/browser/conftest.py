"""One stack and one Chromium for the suite; each test is a reader of its own."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chatkit import CDN
from tests.browser.model import Model
from tests.browser.other_site import build_other_site
from tests.browser.panel import Panel
from tests.browser.stack import Stack, open_stack

expect.set_options(timeout=10_000)


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """What runs; of the package, because playwright keeps an event loop in this thread that other tests cannot have."""
    with open_stack() as stack:
        yield stack


@pytest.fixture(scope="package", autouse=True)
def building(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[str] | None]:
    """The other site, built while the tests before those that need it run."""
    with ThreadPoolExecutor(1) as thread:
        needed = any("other" in getattr(item, "fixturenames", ()) for item in request.session.items)
        yield thread.submit(build_other_site, stack, tmp_path_factory.mktemp("other")) if needed else None


@pytest.fixture
def other(building: Future[str], panel: Panel) -> Panel:
    """The panel on a page of the other site, where OpenAI's script is blocked and ChatKit gives way to it."""
    panel.page.route(f"{CDN}/**", lambda route: route.abort())
    panel.visit(building.result())
    return panel


@pytest.fixture
def model(stack: Stack) -> Iterator[Model]:
    """The model, which lets go of what it holds when the test is over."""
    stack.model.says("A session lasts 30 days. [[30 days after it was last seen]]")
    yield stack.model
    stack.model.go_on()


@pytest.fixture
def context(stack: Stack) -> Iterator[BrowserContext]:
    """A reader's browser with nothing stored."""
    context = stack.browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(10_000)
    yield context
    context.close()
    stack.wire.mend()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab in which no script may fail."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.message))
    yield page
    assert errors == []


@pytest.fixture
def panel(page: Page, stack: Stack, model: Model) -> Panel:
    """The panel; no page of the site is shown yet."""
    return Panel(page, stack)
