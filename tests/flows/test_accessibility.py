"""Every page of the site in a real browser: WCAG 2.2 AA by axe, in light, in the dark and on a phone.

The pages are the site's own list of doors: one that renders a page and is not named here fails the first test.
Source: WCAG 2.2; of it what a program can judge.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from flows.looks import ANSWERS, LOOKS, NO_PAGES, PAGES, REFUSALS, Gallery, gallery
from flows.scenery import Said
from playwright.sync_api import Browser, Page
from support.browser import chromium_missing, page_of
from support.postgres import Postgres

from llmops import app

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
]
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
NARROW = 320  # CSS pixels; WCAG 2.2, 1.4.10


@pytest.fixture(scope="module")
def site(
    browser: Browser, postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gallery]:
    with gallery(browser, tmp_path_factory.mktemp("site"), postgresql, template, Said()) as opened:
        yield opened


def violations(page: Page, *, tags: Sequence[str] = (*WCAG, "best-practice")) -> list[str]:
    """What axe finds, each with the elements that it is about."""
    options = {"runOnly": tags, "resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:4]]}" for one in found]


def test_every_page_is_looked_at() -> None:
    doors = {door.path for _, found in app.SITE for door in found if door.method == "GET"}
    assert doors == set(PAGES) | set(NO_PAGES)
    assert not set(PAGES) & set(NO_PAGES)


@pytest.mark.parametrize(("door", "look"), LOOKS, ids=[f"{door} {look}" for door, look in LOOKS])
def test_a_page_is_accessible(site: Gallery, door: str, look: str) -> None:
    require_accessible(site.open(door, look))


@pytest.mark.parametrize(("look", "status"), REFUSALS)
def test_a_refusal_is_accessible(site: Gallery, look: str, status: int) -> None:
    require_accessible(site.open(look, look, status=status))


@pytest.mark.parametrize(("look", "typed", "button"), ANSWERS)
def test_an_answer_to_a_form_is_accessible(site: Gallery, look: str, typed: dict[str, str], button: str) -> None:
    page = site.open(look, look)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for label, text in typed.items():
        page.get_by_label(label, exact=True).fill(site.filled(text))
    page.get_by_role("button", name=button, exact=True).first.click()
    page.wait_for_load_state()
    require_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_are_accessible(site: Gallery, browser: Browser, scheme: Literal["light", "dark"]) -> None:
    with page_of(browser, width=NARROW) as page:
        page.emulate_media(color_scheme=scheme)
        for html in site.scene.letters:
            page.set_content(html)
            assert violations(page, tags=WCAG) == [], html


def require_accessible(page: Page) -> None:
    """One heading, a title, a visible focus; axe objects to nothing, on a desk in light, on a phone in the dark."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.locator("h1").count() == 1
    assert page.title().endswith(" · LLM Ops")
    assert len(page.title()) > len("x · LLM Ops")
    require_visible_focus(page)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = {"light": violations(page)}
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": NARROW, "height": 700})
    found["dark"] = violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    assert not any(found.values()), found


def require_visible_focus(page: Page) -> None:
    """The skip link leads to the content, and the first control there shows that it has the focus (2.4.7, 2.4.13)."""
    page.keyboard.press("Tab")  # Chromium shows the focus once the keyboard is used
    page.get_by_role("link", name="Skip to main content").focus()
    page.keyboard.press("Enter")
    if not page.locator("main :is(a[href], button, input:not([type=hidden]), select, textarea, summary)").count():
        return
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.evaluate("(one) => one.closest('main') !== null"), focused.evaluate("(one) => one.outerHTML")
    outline = focused.evaluate("(one) => [getComputedStyle(one).outlineStyle, getComputedStyle(one).outlineWidth]")
    assert outline[0] != "none", focused.evaluate("(one) => one.outerHTML")
    assert float(outline[1].removesuffix("px")) >= 2
