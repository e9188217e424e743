"""Everything that others fill in is a script: every page of the site shows it, in a real browser, and nothing runs.

What ran would show as a dialog, as a breach of the policy, or as an element that our templates do not have.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flows.looks import LOOKS, Gallery, gallery
from flows.scenery import Said
from playwright.sync_api import Browser
from support.browser import chromium_missing, page_of
from support.postgres import Postgres

pytestmark = [
    pytest.mark.browser,
    pytest.mark.requirement("TST-16", "WEB-06"),
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
]
HOSTILE = Said(
    first_name="<script data-ran>alert('first')</script>",
    last_name="\"><img data-ran src=x onerror=alert('last')>",
    local_part="ann'data-ran=1'onfocus=alert`1`",
    subject="'><svg data-ran onload=alert('subject')>",
    group="<iframe data-ran srcdoc=\"<script>alert('group')</script>\"></iframe>",
    attribute="</code></dt><script data-ran>alert('attribute')</script>",
    message="</pre><script data-ran>alert('message')</script><a data-ran href=\"javascript:alert('m')\">x</a>",
    entity_id="https://idp.example.test/\"><script/data-ran>alert('entity')</script>",
    text="</textarea></title><script data-ran>alert('text')</script>{{ 7 * 7 }}",
    name="Acme</title><b data-ran onmouseover=alert('name')>",
)
SHOWN = [
    ("first_name", "olga", "/settings/team"),
    ("last_name", "olga", "/settings/team"),
    ("local_part", "olga", "/settings/team"),
    ("name", "olga", "/"),
    ("name", "nobody", "/invitation"),
    ("name", "guest", "/portal"),
    ("entity_id", "olga", "/settings/security"),
    ("entity_id", "guest", "/portal"),
    ("entity_id", "sam", "/staff/organizations/{slug}"),
    ("subject", "guest", "/portal/test/{passed}"),
    ("group", "guest", "/portal/test/{passed}"),
    ("attribute", "guest", "/portal/test/{passed}"),
    ("text", "guest", "/portal/test/{passed}"),
    ("message", "guest", "/portal/test/{failed}"),
    ("message", "adam", "/settings/security/activity/{refused}"),
    ("message", "bea", "/settings/security/activity/{denied}"),
    ("text", "sam", "/staff/organizations/{slug}"),
    ("text", "olga", "/settings/audit"),
]


@pytest.fixture(scope="module")
def site(
    browser: Browser, postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gallery]:
    with gallery(browser, tmp_path_factory.mktemp("hostile"), postgresql, template, HOSTILE) as opened:
        yield opened


@pytest.mark.parametrize(("door", "look"), LOOKS, ids=[f"{door} {look}" for door, look in LOOKS])
def test_nothing_that_others_wrote_becomes_part_of_a_page(site: Gallery, door: str, look: str) -> None:
    page = site.open(door, look)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.locator("[data-ran], main script, main iframe, main img").count() == 0
    assert page.locator("a[href^='javascript:' i], a[href^='data:' i]").count() == 0
    assert "49" not in page.title()


@pytest.mark.parametrize(("field", "who", "path"), SHOWN)
def test_it_is_shown_as_it_was_written(site: Gallery, field: str, who: str, path: str) -> None:
    page = site.open(path, f"{who} {path}")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert getattr(HOSTILE, field) in page.locator("body").inner_text()


def test_no_letter_holds_it_as_markup(site: Gallery, browser: Browser) -> None:
    with page_of(browser) as page:
        for html in site.scene.letters:
            page.set_content(html)
            assert page.locator("[data-ran], script, iframe, img").count() == 0, html
    assert any("alert(" in html for html in site.scene.letters)
