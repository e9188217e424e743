"""Other people's sites against ours in a real browser: what an identity provider must be able to do, and nobody else.

Source: SAML-28, WEB-01, SES-07.
"""

from collections.abc import Callable, Iterator
from html import escape

import pytest
from flows.scenery import served
from playwright.sync_api import Browser, Page, Request, Route, expect
from support.browser import chromium_missing, page_of
from support.ports import free_port
from support.walk import start_sso
from world import PASSWORD, World, request_id_of

from llmops.accounts import sessions
from llmops.broker.connections import Connection
from llmops.organizations.organization import Organization
from llmops.web.request import BROWSER_COOKIE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.one_database,
    pytest.mark.requirement("TST-16"),
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
]
EVIL = "http://localhost:1/page"  # another site than 127.0.0.1; nothing listens there


@pytest.fixture
def site(make_world: Callable[..., World]) -> Iterator[World]:
    """The product on a port of this machine."""
    world = make_world(base_url=f"http://127.0.0.1:{free_port()}")
    with served(world):
        yield world


@pytest.fixture
def acme(site: World) -> Organization:
    return site.organization()


@pytest.fixture
def live(site: World, acme: Organization) -> Connection:
    return site.saml(acme)


@pytest.fixture
def page(site: World, live: Connection, browser: Browser) -> Iterator[Page]:
    """The browser of somebody at Acme. The identity provider says that it is Ann."""

    def answer(route: Route) -> None:
        encoded = site.response(live, request_id_of(route.request.url))
        posting(route, f"{site.settings.base_url}/sso/saml/{live.id}/acs", SAMLResponse=encoded)

    with page_of(browser, site.settings.base_url) as fresh:
        fresh.route("https://idp.example.test/**", answer)
        yield fresh


def posting(route: Route, address: str, **fields: str) -> None:
    """Answer with a page that posts these fields to an address at once, as identity providers' pages do."""
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(text)}">' for name, text in fields.items())
    form = f'<form method="post" action="{address}">{hidden}</form><script>document.forms[0].submit()</script>'
    route.fulfill(body=f"<!doctype html><title>Another site</title>{form}", content_type="text/html")


def lured(page: Page, address: str, **fields: str) -> None:
    """Open another site, whose page posts this to us."""
    page.route(EVIL, lambda route: posting(route, address, **fields))
    page.goto(EVIL)
    page.wait_for_url(lambda url: not url.startswith(EVIL))


def cookie(page: Page, name: str) -> dict[str, object]:
    """One of the browser's cookies; empty when it has none of that name."""
    return next((dict(one) for one in page.context.cookies() if one["name"] == name), {})


@pytest.mark.requirement("SAML-28", "SES-07")
def test_an_answer_from_another_site_is_taken_with_the_cookies_as_shipped(page: Page) -> None:
    posts: list[Request] = []
    page.on("request", lambda request: posts.append(request) if request.url.endswith("/acs") else None)
    start_sso(page, "ann@acme.test")
    expect(page.get_by_text("Welcome to LLM Ops, Ann Lee")).to_be_visible()
    assert "cookie" not in posts[0].all_headers()  # they come with the redirect after it, which is our own
    shipped = page.context.cookies()
    assert {sessions.COOKIE, BROWSER_COOKIE} <= {one["name"] for one in shipped}
    for one in shipped:
        assert one["name"].startswith("__Host-")
        assert (one["sameSite"], one["httpOnly"], one["secure"]) == ("Lax", True, True)


@pytest.mark.requirement("SAML-28")
def test_an_answer_to_the_attackers_request_signs_nobody_in(site: World, live: Connection, page: Page) -> None:
    page.goto("/login")
    request_id = request_id_of(site.depart(site.visitor()))
    acs = f"{site.settings.base_url}/sso/saml/{live.id}/acs"
    lured(page, acs, SAMLResponse=site.response(live, request_id))
    expect(page.get_by_role("alert")).to_contain_text("This browser did not start that sign-in")
    assert cookie(page, sessions.COOKIE) == {}


@pytest.mark.requirement("SAML-28")
def test_an_answer_that_nobody_asked_for_signs_nobody_in(site: World, live: Connection, page: Page) -> None:
    acs = f"{site.settings.base_url}/sso/saml/{live.id}/acs"
    lured(page, acs, SAMLResponse=site.response(live, "", style="unsolicited"))
    expect(page.get_by_role("alert")).to_be_visible()
    assert cookie(page, sessions.COOKIE) == {}


@pytest.mark.requirement("WEB-01")
def test_another_sites_form_signs_nobody_in_with_a_password(site: World, acme: Organization, page: Page) -> None:
    site.person("eve@acme.test", acme)
    page.goto("/login")
    lured(page, f"{site.settings.base_url}/login", email="eve@acme.test", password=PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("expired")
    assert cookie(page, sessions.COOKIE) == {}


@pytest.mark.requirement("WEB-01", "SES-08")
def test_another_sites_page_does_not_take_the_place_of_a_session(site: World, live: Connection, page: Page) -> None:
    start_sso(page, "ann@acme.test")
    expect(page.get_by_text("Welcome to LLM Ops, Ann Lee")).to_be_visible()
    before = cookie(page, sessions.COOKIE)["value"]
    request_id = request_id_of(site.depart(site.visitor()))
    acs = f"{site.settings.base_url}/sso/saml/{live.id}/acs"
    lured(page, acs, SAMLResponse=site.response(live, request_id, address="eve@acme.test"))
    page.goto("/settings/profile")
    expect(page.get_by_role("definition").filter(has_text="ann@acme.test")).to_be_visible()
    assert cookie(page, sessions.COOKIE)["value"] == before


@pytest.mark.requirement("WEB-01")
def test_another_sites_page_signs_nobody_out(site: World, page: Page) -> None:
    start_sso(page, "ann@acme.test")
    expect(page.get_by_text("Welcome to LLM Ops, Ann Lee")).to_be_visible()
    lured(page, f"{site.settings.base_url}/logout")
    page.goto("/")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


@pytest.mark.requirement("WEB-03")
def test_another_site_shows_none_of_our_pages_in_a_frame(site: World, browser: Browser) -> None:
    framing = f'<iframe src="{site.settings.base_url}/login"></iframe>'
    with page_of(browser) as page:
        page.route(EVIL, lambda route: route.fulfill(body=framing, content_type="text/html"))
        page.goto(EVIL)
        assert page.frames[1].url == "chrome-error://chromewebdata/"
        assert page.frames[1].get_by_label("Work email").count() == 0
