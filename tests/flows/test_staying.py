"""Five minutes before a session ends the page says so, and whoever is still there can stay (WCAG 2.2, 2.2.1)."""

from collections.abc import Callable, Iterator

import pytest
from flows.scenery import served
from playwright.sync_api import Browser, Page, expect
from support.browser import chromium_missing, page_of
from support.ports import free_port
from world import PASSWORD, World

from llmops.organizations.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.one_database,
    pytest.mark.requirement("TST-16"),
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
]
NOTE = "Your session"


@pytest.fixture
def site(make_world: Callable[..., World]) -> Iterator[World]:
    """The product on a port of this machine, with sessions that end after ten minutes unused."""
    url = f"http://127.0.0.1:{free_port()}"
    world = make_world(base_url=url, session_idle_seconds=600, session_absolute_seconds=1200)
    world.person("pat@acme.test", world.organization(), role=Role.OWNER)
    with served(world):
        yield world


@pytest.fixture
def page(site: World, browser: Browser) -> Iterator[Page]:
    """Somebody who begins to fill in a form, in a browser whose clock can be moved."""
    with page_of(browser, site.settings.base_url) as fresh:
        fresh.clock.install(time=site.clock.now)
        fresh.goto("/login")
        fresh.get_by_label("Email", exact=True).fill("pat@acme.test")
        fresh.locator("#password").fill(PASSWORD)
        fresh.get_by_role("button", name="Sign in", exact=True).click()
        fresh.wait_for_url("**/")
        fresh.goto("/settings/team/invite")
        fresh.locator("textarea").fill("new@acme.test")
        yield fresh


def later(world: World, page: Page, *, seconds: int) -> None:
    """Time passes here and there."""
    world.clock.advance(seconds=seconds)
    page.clock.run_for(seconds * 1000)


def test_who_is_still_there_stays_and_loses_nothing(site: World, page: Page) -> None:
    note = page.get_by_role("region", name=NOTE)
    later(site, page, seconds=290)
    expect(note).to_be_hidden()
    later(site, page, seconds=20)
    expect(note).to_contain_text("Your session ends at 12:10, because nothing happened for a while.")
    expect(page.locator("[data-live]")).to_have_text(
        "Your session ends at 12:10, because nothing happened for a while."
    )
    expect(page.locator("textarea")).to_be_focused()
    note.get_by_role("button", name="Stay signed in").click()
    expect(note).to_be_hidden()
    expect(page.locator("textarea")).to_be_focused()
    expect(page.locator("textarea")).to_have_value("new@acme.test")
    later(site, page, seconds=400)
    assert page.request.get("/settings/team", max_redirects=0).status == 200


def test_the_last_end_cannot_be_put_off(site: World, page: Page) -> None:
    note = page.get_by_role("region", name=NOTE)
    for _ in range(2):
        later(site, page, seconds=400)
        note.get_by_role("button").click()
        expect(note).to_be_hidden()  # the answer has come
    later(site, page, seconds=110)
    expect(note).to_contain_text("Your session ends at 12:20. Finish what you are typing, then sign in again.")
    expect(note.get_by_role("button")).to_be_hidden()
    later(site, page, seconds=300)
    expect(note).to_contain_text("Your session has ended. Copy what you typed before you leave this page.")


def test_a_session_that_somebody_ended_cannot_be_kept(site: World, page: Page) -> None:
    later(site, page, seconds=310)
    site.sql("UPDATE sessions SET ended_at = :now", now=site.clock.now)
    note = page.get_by_role("region", name=NOTE)
    note.get_by_role("button").click()
    expect(note).to_contain_text("That did not work. Copy what you typed before you leave this page.")


def test_use_in_another_tab_counts(site: World, page: Page) -> None:
    later(site, page, seconds=310)
    note = page.get_by_role("region", name=NOTE)
    expect(note).to_be_visible()
    page.context.new_page().goto("/settings/team")
    expect(note).to_be_hidden()
