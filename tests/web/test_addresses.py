"""No token in addresses, storage or caches (SES-18), and no address from outside that becomes a link (WEB-08)."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lxml import etree
from oidc import provider as op
from saml import build
from support import portal
from support.page import Page, Upload
from support.visitor import Visitor
from world import BASE_URL, World

from llmops import app, web
from llmops.broker.connections import Kind
from llmops.broker.portal.links import Intent
from llmops.broker.saml import names
from llmops.organizations.roles import Role

PAGES = sorted({door.path for _, doors in app.SITE for door in doors if door.method == "GET"})
STATIC = Path(web.__file__).parent / "static"
SCHEMES = (
    "javascript:alert(1)//", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
    "vbscript:x", "file:///etc/passwd", "http://idp.example.test/sso", "//idp.example.test/sso", "/sso", "",
)  # fmt: skip


def filled(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "nothing", path)


def links_of(page: Page) -> list[str]:
    """Every address on a page that a browser would go to or load."""
    return [str(value) for value in page.document.xpath("//@href | //@src | //@action | //@formaction | //@data")]


# --- Tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SES-18")
def test_no_answer_is_kept_by_caches_or_tells_its_address_to_others(world: World) -> None:
    """Of an owner, an administrator in the portal, and a stranger; found, not found or refused."""
    acme = world.organization()
    world.person("olga@acme.test", acme, role=Role.OWNER)
    owner = world.visitor()
    world.sign_in(owner, "olga@acme.test")
    assert len(PAGES) > 50
    for visitor in (owner, portal.inside(world, acme), world.visitor()):
        answers = {path: visitor.get(filled(path)).headers for path in PAGES}
        wanted = ("no-store", "same-origin")
        found = {path: (each.get("cache-control"), each.get("referrer-policy")) for path, each in answers.items()}
        assert {path: seen for path, seen in found.items() if seen != wanted} == {}


@pytest.mark.requirement("SES-18")
def test_scripts_store_nothing_in_the_browser() -> None:
    scripts = [*STATIC.rglob("*.js")]
    assert scripts
    for script in scripts:
        assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\.", script.read_text())


@pytest.mark.requirement("SES-18")
def test_no_cookie_can_be_read_by_scripts_or_sent_in_clear(world: World) -> None:
    acme = world.organization()
    world.person("olga@acme.test", acme, role=Role.OWNER)
    visitor, seen = world.visitor(), set()
    answers = [visitor.submit(visitor.get("/login"), "/login", email="olga@acme.test", password="wrong password here")]
    answers.append(visitor.submit(answers[-1], "/login", password="correct horse battery staple"))
    entrance = world.visitor().get(portal.link(world, acme)[1])
    for answer in (*answers, entrance):
        for cookie in answer.headers.get_list("set-cookie"):
            seen.add(cookie.partition("=")[0])
            assert re.match(r"__Host-llmops_[a-z_]+=", cookie)
            assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(cookie.lower().split("; ")[1:])
    assert len(seen) >= 4


# --- Addresses from outside -------------------------------------------------------------------------------------------


def harmless(page: Page) -> None:
    """Nothing on the page leads anywhere but to this site or by https."""
    for link in links_of(page):
        parts = urlsplit(link)
        good = parts.scheme in ("", "https", "mailto") or link.startswith(("data:image/", BASE_URL))
        assert good, link
        assert "alert(1)" not in link
        assert "idp.example.test/sso" not in link


@pytest.mark.requirement("WEB-08")
@pytest.mark.parametrize("address", SCHEMES)
def test_a_sign_in_address_that_is_not_https_is_refused_and_never_a_link(world: World, address: str) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    document = build.metadata(sso=[(names.HTTP_REDIRECT, address), (names.HTTP_POST, address)])
    page = visitor.get(portal.INPUT)
    shown = visitor.submit(page, portal.INPUT, file=Upload("m.xml", etree.tostring(document), "application/xml"))
    assert shown.status == 400, shown.text
    assert portal.working(world, acme).idp_entity_id is None
    for path in (portal.INPUT, "/portal", "/portal/test"):
        harmless(visitor.follow(visitor.get(path)))
    harmless(shown)


@pytest.mark.requirement("WEB-08")
@pytest.mark.parametrize("endpoint", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize("address", SCHEMES[:7])
def test_an_endpoint_that_is_not_https_is_refused_and_never_a_link(world: World, endpoint: str, address: str) -> None:
    acme = world.organization()
    world.answering(lambda *_, **__: op.Answer(body=op.document(**{endpoint: address})))
    visitor = portal.inside(world, acme)
    portal.choose(visitor, Kind.GENERIC_OIDC)
    [path] = [form.action for form in _client_step(visitor).forms if "/portal/generic-oidc/" in form.action]
    client = {"issuer": op.ISSUER, "client_id": op.CLIENT_ID, "client_secret": "s3cret-of-the-client"}
    shown = visitor.submit(visitor.get(path), urlsplit(path).path, **client)
    assert shown.status == 400, shown.text
    assert portal.working(world, acme).issuer is None
    harmless(shown)


def _client_step(visitor: Visitor) -> Page:
    """The page of the guide on which the client is entered."""
    for number in range(1, 12):
        page = visitor.get(f"/portal/generic-oidc/{number}")
        if page.status == 303:
            page = visitor.follow(page)
        if any("client_secret" in form.names for form in page.forms):
            return page
    return visitor.get("/portal/generic-oidc/client")


@pytest.mark.requirement("WEB-08")
@pytest.mark.parametrize("entity_id", ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>"])
def test_an_entity_id_is_text_whatever_it_looks_like(world: World, entity_id: str) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    portal.give_metadata(visitor, portal.document(entity_id=entity_id))
    world.person("olga@acme.test", acme, role=Role.OWNER)
    owner = world.visitor()
    world.sign_in(owner, "olga@acme.test")
    viewer = portal.inside(world, acme, intent=Intent.VIEW_ONLY)
    for browser, path in ((visitor, portal.INPUT), (viewer, "/portal"), (owner, "/settings/security")):
        harmless(browser.follow(browser.get(path)))
    metadata = world.visitor().get(f"/sso/saml/{portal.working(world, acme).id}/metadata")
    assert "alert(1)" not in metadata.html


@pytest.mark.requirement("WEB-08", "WEB-07")
@pytest.mark.parametrize(
    "path", ["//evil.test", "https://evil.test", "javascript:alert(1)", "/\\evil.test", "\t//evil.test"]
)
def test_nobody_is_sent_elsewhere_by_a_page_to_return_to(world: World, path: str) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    page = visitor.get("/login")
    fields = {
        **page.form("/login").filled(email="pat@acme.test", password="correct horse battery staple"),
        "next": path,
    }
    assert visitor.post("/login", fields, start=page).location == f"{BASE_URL}/"
