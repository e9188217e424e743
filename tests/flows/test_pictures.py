"""The pictures in docs/images, made only with LLMOPS_SCREENSHOTS=1: a customer with a month behind it, and a new one.

The addresses are those of a real installation; it is in this process.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flows.scenery import html_of, served
from playwright.sync_api import Browser, Page, expect
from saml import build
from saml.keys import signer
from staff.desk import act, enter, hire
from support import enforced, portal
from support.browser import chromium_missing, chromium_running, page_of, screenshot
from support.installation import installed
from support.ports import free_port
from support.postgres import Postgres
from support.visitor import Visitor
from support.walk import sign_in, start_sso
from world import PASSWORD, World, opened, request_id_of

from llmops.accounts import users
from llmops.billing import sales
from llmops.broker import connections
from llmops.broker.connections import Connection
from llmops.db.engine import connect
from llmops.organizations import domains
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.signin import breakglass

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
    pytest.mark.skipif(os.environ.get("LLMOPS_SCREENSHOTS") != "1", reason="LLMOPS_SCREENSHOTS is not 1"),
]
BASE_URL = "https://llm-ops.example.com"
PORT = free_port()
NOW = datetime.now(UTC)
SIGNER = signer("okta", not_after=NOW + timedelta(days=214))
OWNER, ADMIN = "maya@northwind.test", "jonas@northwind.test"
BY_PASSWORD = {OWNER: ("Maya", "Okafor"), ADMIN: ("Jonas", "Weber")}
BY_SSO = (
    ("Amara", "Diallo"), ("Chen", "Wei"), ("Elena", "Rossi"), ("Felix", "Brandt"), ("Lucas", "Moreau"),
    ("Priya", "Nair"), ("Sofia", "Lindgren"),
)  # fmt: skip
BEGINNER = "iris@juniper.test"
OKTA = "http://www.okta.com/exk1fcia8kQ2rTVGc5d7"
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1"


@dataclass(frozen=True)
class History:
    """An installation after a month, and the browsers of its customer's owner and of a colleague."""

    world: World
    owner: Visitor
    colleague: Visitor


@pytest.fixture(scope="module")
def history(
    postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "key.pem").write_bytes(SIGNER.pem)
    (folder / "certificate.pem").write_text(ssl.DER_cert_to_PEM_cert(SIGNER.der))
    tls = {"ssl_keyfile": folder / "key.pem", "ssl_certfile": folder / "certificate.pem"}
    with installed(folder, postgresql, template) as product:
        database = connect(product.database_url)
        with opened(database, product.folder, base_url=BASE_URL) as world:
            made = make_history(world)
            with served(world, port=PORT, **tls):
                yield made
        database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for which the installation's address leads to this machine."""
    with chromium_running(f"--host-resolver-rules=MAP {urlsplit(BASE_URL).netloc} 127.0.0.1:{PORT}") as running:
        yield running


@contextmanager
def visiting(browser: Browser, *, at: Visitor | None = None) -> Iterator[Page]:
    """The installation in the browser, with the cookies of somebody's other one."""
    with page_of(browser, BASE_URL, any_certificate=True) as page:
        kept = at.cookies if at else ()
        page.context.add_cookies(
            [{"name": one.name, "value": one.value, "domain": one.host, "path": "/", "secure": True} for one in kept]
        )
        yield page


# --- The history -----------------------------------------------------------------------------------------------------


def make_history(world: World) -> History:
    """A week of passwords, then SSO: more people each day, and now and then one who fails."""
    world.clock.now = NOW - timedelta(days=29)
    company = world.organization("Northwind", domain="northwind.test")
    for address, (first, last) in BY_PASSWORD.items():
        named(world, company, address, first, last, role=Role.OWNER if address == OWNER else Role.ADMIN)
    okta = world.saml(company, by=SIGNER)
    for days_ago in range(29, -1, -1):
        world.clock.now = NOW - timedelta(days=days_ago, hours=2)
        if world.clock.now.weekday() < 5:
            work_day(world, okta, days_ago)
    names = {
        "kind": "OktaSAML",
        "entity_id": OKTA,
        "url": "https://northwind.okta.com/app/exk1fcia8kQ2rTVGc5d7/metadata",
    }
    world.sql("UPDATE connections SET kind = :kind, idp_entity_id = :entity_id, metadata_url = :url", **names)
    world.clock.now = NOW - timedelta(minutes=50)
    owner = settled(world, company, okta)
    return History(world, owner, worked(world, company))


def named(world: World, company: Organization, address: str, first: str, last: str, *, role: Role) -> None:
    """A person with a name and a password."""
    user = world.person(address, company, role=role)
    with world.database.writing() as db:
        users.rename(db, user.id, first_name=first, last_name=last)


def work_day(world: World, okta: Connection, days_ago: int) -> None:
    """Some sign in with a password, later in the month more with SSO."""
    visitor = world.visitor(**{"User-Agent": IPHONE})
    for address in [*BY_PASSWORD] * (2 if days_ago > 22 else 1):
        world.clock.advance(minutes=4)
        visitor.cookies.clear()
        assert "Dashboard" in world.sign_in(visitor, address).text
    for first, last in BY_SSO[: max(0, min(len(BY_SSO), (25 - days_ago) // 2 - days_ago % 3))]:
        world.clock.advance(minutes=4)
        visitor.cookies.clear()
        address = f"{first.lower()}@northwind.test"
        page = world.saml_sign_in(visitor, okta, address, names=(first, last), by=SIGNER)
        assert "Dashboard" in page.text, page.text
    if days_ago in (20, 13, 12):
        fail(world, okta, "did not send your last name", email="tom@northwind.test")
    if days_ago in (15, 14, 5):
        fail(world, okta, "outside", email="tom@contractor.test", lastName="Baker")


def fail(world: World, okta: Connection, sentence: str, **said: str) -> None:
    """The identity provider says this about Tom, and it is refused."""
    attributes = [(name, [value]) for name, value in {"firstName": "Tom", **said}.items()]
    page = world.saml_sign_in(world.visitor(), okta, "tom@northwind.test", attributes=attributes, by=SIGNER)
    assert sentence in page.text, page.text


def settled(world: World, company: Organization, okta: Connection) -> Visitor:
    """The owner's browser, after invitations, an emergency owner, a second domain, and a link for the administrator."""
    owner = world.visitor(**{"User-Agent": MAC})
    world.sign_in(owner, OWNER)
    with world.database.writing() as db:
        user = users.with_email(db, OWNER)
        assert user is not None
        domains.claim(db, company.id, domain="northwind-labs.test", now=world.clock.now)
        connections.set_contacts(db, okta, ["it@northwind.test"])
    enforced.second_factor(world, user)
    with world.database.writing() as db:
        breakglass.name(db, company.id, user.id, by=user.id, now=world.clock.now)
    invite = "/settings/team/invite"
    owner.submit(owner.get(invite), invite, emails="greta@northwind.test, omar@northwind.test", role="member")
    links = {"intent": "renew_certificate", "contacts": "it@northwind.test"}
    owner.submit(owner.get("/settings/security"), "/settings/security/links", **links)
    return owner


def worked(world: World, company: Organization) -> Visitor:
    """A colleague's browser, after the contract came about as it does, from the request on."""
    details = sales.Details(
        name="Maya Okafor", email=OWNER, phone="+1 415 555 0100", organization_name="Northwind",
        company_domain="northwind.test", identity_provider="Okta", users="120", deployment="EU region",
        message="We would like to start this quarter.",
    )  # fmt: skip
    with world.database.writing() as db:
        sales.ask(db, company.id, details, asked_by=OWNER, now=NOW - timedelta(days=40))
    sam = enter(world, hire(world, name="Sam Rivera"))
    contract = {"plan": "enterprise", "seats": "120", "price": "EUR 18,000 a year", "notes": "Net 30, renewed yearly"}
    act(sam, company, "plan", **contract, reason="Order form 2026-114")
    act(sam, company, "request", state="won", reason="Order form 2026-114")
    act(sam, company, "note", text="Maya wants SSO to be compulsory from January on.", reason="Call with Maya")
    return sam


def beginner(world: World) -> Organization:
    """A company on the first plan."""
    juniper = world.organization("Juniper Labs", plan=Plan.STARTER, domain="juniper.test", verified=False)
    named(world, juniper, BEGINNER, "Iris", "Lang", role=Role.OWNER)
    return juniper


def try_out(world: World, guest: Visitor, connection: Connection, **changes: object) -> str:
    """A test sign-in from the portal; returns the path of its report."""
    started = guest.submit(guest.get("/portal/test"), "/portal/test/start")
    request_id = request_id_of(started.location or "")
    issuers = [build.text("Issuer", OKTA), build.text("Assertion/Issuer", OKTA)]
    said = {"address": "lea@alder.test", "names": ("Lea", "Winter"), "assertion_id": f"_{request_id}", "by": SIGNER}
    before = [*issuers, *changes.pop("before", ())]
    encoded = world.response(connection, request_id, before=before, **said, **changes)
    report = guest.follow(world.post_response(guest, connection, encoded))
    assert "/portal/test/login_" in report.url, report.text
    return report.url.removeprefix(BASE_URL)


# --- The pictures ----------------------------------------------------------------------------------------------------


def taken(page: Page, name: str, *, dark: bool = False, phone: bool = False) -> None:
    """The page in light; in the dark and as on a phone where that is asked for."""
    screenshot(page, name)
    if dark:
        page.emulate_media(color_scheme="dark")
        screenshot(page, f"{name}-dark")
        page.emulate_media(color_scheme="light")
    if phone:
        size = page.viewport_size
        page.set_viewport_size({"width": 375, "height": 780})
        screenshot(page, f"{name}-phone")
        assert size is not None
        page.set_viewport_size(size)


def test_pictures_of_getting_in(history: History, browser: Browser) -> None:
    with visiting(browser) as page:
        page.goto("/login")
        taken(page, "sign-in", dark=True, phone=True)
        start_sso(page, "maya@gmail.com")
        expect(page.get_by_role("alert")).to_be_visible()
        taken(page, "sign-in-error")
        page.goto("/nowhere")
        taken(page, "error")
        page.goto("/signup")
        for label, text in (("First name", "Nora"), ("Last name", "Quick"), ("Work email", "nora@newco.test")):
            page.get_by_label(label).fill(text)
        page.get_by_label("Organization name").fill("New Co")
        taken(page, "sign-up")
        page.locator("#password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
        taken(page, "check-mail")


def test_pictures_of_being_in(history: History, browser: Browser) -> None:
    with visiting(browser, at=history.owner) as page:
        page.goto("/")
        taken(page, "dashboard", dark=True, phone=True)
        for path, name in (("team", "team"), ("profile", "profile"), ("audit", "audit-log"), ("billing", "billing")):
            page.goto(f"/settings/{path}")
            taken(page, name, dark=path == "team", phone=path in ("audit", "billing"))
        page.goto("/settings/security")
        taken(page, "security", dark=True)


def test_pictures_of_asking_sales(history: History, browser: Browser) -> None:
    beginner(history.world)
    with visiting(browser) as page:
        sign_in(page, BEGINNER)
        page.get_by_role("link", name="Billing").click()
        expect(page.get_by_role("heading", name="Compare plans")).to_be_visible()
        taken(page, "upgrade")
        page.get_by_role("link", name="Upgrade - Contact Sales").click()
        expect(page.get_by_role("heading", name="Upgrade to Enterprise")).to_be_visible()
        for label, text in (
            ("Phone", "+49 30 901820"),
            ("Users", "250"),
            ("Message", "We would like to start in January."),
        ):
            page.get_by_label(label).fill(text)
        page.get_by_label("Identity provider").select_option("Google Workspace")
        taken(page, "contact-sales", phone=True)
        page.get_by_role("button", name="Send to sales").click()
        expect(page.get_by_role("heading", name="Your request")).to_be_visible()


def test_pictures_of_the_portal(history: History, browser: Browser) -> None:
    world = history.world
    alder = world.organization("Alder Robotics", domain="alder.test")
    path = portal.link(world, alder, contacts=["lea@alder.test"])[1]
    guest = portal.enter(world, path)
    with visiting(browser) as page:
        page.goto(path)
        page.get_by_role("button", name="Open the Admin Portal").click()
        expect(page.get_by_role("heading", name="Choose your identity provider")).to_be_visible()
        taken(page, "portal-picker", dark=True)
        page.get_by_role("button", name="SAML 2.0 with Okta").click()
        page.goto("/portal/okta-saml/addresses")
        taken(page, "portal-step", phone=True)
        page.goto("/portal/okta-saml/assign")
        page.get_by_label("My own account is assigned").check()
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", name="Give us Okta's metadata")).to_be_visible()
        portal.give_metadata(guest, portal.document(entity_id=OKTA, by=[SIGNER]))
        draft = portal.working(world, alder)
        other = build.text(
            "Assertion/Conditions/AudienceRestriction/Audience", f"{BASE_URL}/sso/saml/conn_old/metadata"
        )
        page.goto(try_out(world, guest, draft, before=[other]))
        taken(page, "portal-test-failed", dark=True)
        page.goto(try_out(world, guest, draft))
        taken(page, "portal-test-passed", phone=True)


def test_pictures_of_the_staff_console(history: History, browser: Browser) -> None:
    with visiting(browser, at=history.colleague) as page:
        page.goto("/staff")
        taken(page, "staff-queue")
        page.goto("/staff/organizations/northwind")
        taken(page, "staff-organization", dark=True)


def test_pictures_of_letters(history: History, browser: Browser) -> None:
    world = history.world
    cedar = world.organization("Cedar Works", domain="cedar.test")
    provisioned = {"kind": "OktaSAML", "domains": "cedar.test", "contacts": "lea@cedar.test", "reason": "Order form"}
    act(history.colleague, cedar, "provision", **provisioned, press="Make and send")
    with page_of(browser, width=680, height=700) as page:
        for address, name in (("lea@cedar.test", "letter-portal-link"), ("greta@northwind.test", "letter-invitation")):
            page.set_content(html_of(world.letters(address)[-1]))
            taken(page, name)
