"""A real browser walks the product: sign-up, SSO by SAML and by OpenID Connect, the sentences, cookies, keyboard."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import chromium_missing, page_of
from support.idps import nanoidp
from support.installation import Installation, installed
from support.mailbox import Mailbox, link_in, mailbox
from support.postgres import Postgres

pytestmark = [
    pytest.mark.browser,
    pytest.mark.idps,
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
]
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Stage:
    """A server, its mailbox, and an identity provider that two companies use."""

    product: Installation
    box: Mailbox


def person(name: str, domain: str) -> dict[str, Any]:
    attributes = {"firstName": name.title(), "lastName": "Lee"}
    return {"password": "pw", "email": f"{name}@{domain}", "roles": [], "groups": [], "attributes": attributes}


@pytest.fixture(scope="module")
def stage(
    postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("browser")
    with mailbox() as box, installed(folder, postgresql, template, mailbox=box) as product:
        product.told("org", "create", "Acme", "--domain", "acme.test", "--plan", "enterprise", "--verified")
        product.told("org", "create", "Birch", "--domain", "birch.test", "--plan", "enterprise", "--verified")
        product.told("org", "create", "Cedar", "--domain", "cedar.test")
        owner = ("user", "create", "olga@acme.test", "--org", "acme", "--role", "owner", "--password-stdin")
        product.told(*owner, "--first-name", "Olga", "--last-name", "Stone", typed=PASSWORD + "\n")
        oidc = product.told("connection", "create", "birch", "--type", "generic-oidc")
        names = ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ivy")
        users = {name: person(name, "acme.test") for name in names} | {"ben": person("ben", "birch.test")}
        with nanoidp(redirect_uris=[oidc["redirect_uri"]], NANOIDP_USERS_JSON=json.dumps(users)) as idp:
            metadata = product.file("idp.xml", httpx2.get(idp.metadata_url).content)
            product.told(
                "connection", "create", "acme", "--type", "generic-saml", "--metadata-file", metadata, "--activate"
            )
            options = ("--issuer", idp.issuer, "--client-id", "rp-test")
            secret = product.file("secret", "rp-test-secret")
            product.told("connection", "configure", oidc["id"], *options, "--client-secret-file", secret, "--activate")
            with product.serving():
                yield Stage(product, box)


@pytest.fixture
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    with page_of(browser, stage.product.url) as fresh:
        yield fresh


def start_sso(page: Page, address: str) -> None:
    page.goto("/login")
    page.get_by_label("Work email").fill(address)
    page.get_by_role("button", name="Continue with SSO").click()


def at_idp(page: Page, name: str) -> None:
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill("pw")
    page.locator("button[type=submit], input[type=submit]").first.click()


def sso(page: Page, name: str, domain: str = "acme.test") -> None:
    start_sso(page, f"{name}@{domain}")
    at_idp(page, name)


def with_password(page: Page, address: str = "olga@acme.test") -> None:
    page.goto("/login")
    page.get_by_label("Email", exact=True).fill(address)
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_sign_up_verify_dashboard(stage: Stage, page: Page) -> None:
    page.goto("/signup")
    for label, text in (("First name", "Nora"), ("Last name", "Quick"), ("Work email", "nora@newco.test")):
        page.get_by_label(label).fill(text)
    page.get_by_label("Organization name").fill("New Co")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    page.goto(link_in(stage.box.wait_for("nora@newco.test"), "/signup/verify"))
    page.get_by_role("button", name="Yes, confirm my address").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(page.get_by_text("your role: Owner")).to_be_visible()


def test_saml_signs_a_new_person_in(page: Page) -> None:
    sso(page, "ann")
    expect(page.get_by_text("Welcome to LLM Ops, Ann Lee")).to_be_visible()
    page.goto("/settings/team")
    expect(page.get_by_role("row").filter(has_text="ann@acme.test")).to_contain_text("First SSO sign-in")


def test_openid_connect_signs_a_new_person_in(page: Page) -> None:
    sso(page, "ben", "birch.test")
    expect(page.get_by_text("Welcome to LLM Ops, Ben Lee")).to_be_visible()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nonsense", "That does not look like an e-mail address"),
        ("ann@gmail.com", "Please use your organization email address, not a personal one"),
        ("ann@nobody.test", "SSO is not set up for your organization yet"),
        ("ann@cedar.test", "Your organization is not on the Enterprise plan"),
    ],
)
def test_the_four_sentences(page: Page, address: str, sentence: str) -> None:
    start_sso(page, address)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(sentence)
    assert page.title().startswith("Error:")
    expect(page.get_by_label("Work email")).to_have_value(address)


def test_an_answer_after_the_cookies_went_is_named(page: Page) -> None:
    start_sso(page, "bob@acme.test")
    page.context.clear_cookies()
    at_idp(page, "bob")
    expect(page.get_by_role("alert")).to_contain_text("This browser did not start that sign-in")


@pytest.mark.requirement("TST-16")
def test_back_after_a_sign_in_is_no_trap(page: Page) -> None:
    sso(page, "gus")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.go_back()  # the identity provider still knows the person, and posts to us again what we have had
    expect(page.get_by_role("alert")).to_contain_text("That sign-in was already used")
    expect(page.get_by_text("You are signed in as gus@acme.test")).to_be_visible()
    page.get_by_role("link", name="Go to the dashboard").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_the_callback_opened_again_says_start_again_and_keeps_the_session(page: Page) -> None:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    sso(page, "bob")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    [callback] = [url for url in seen if "/login/sso/callback" in url]
    page.goto(callback)
    expect(page.get_by_role("alert")).to_contain_text("Start again from the sign-in page")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("Start again from the sign-in page")
    page.goto("/")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


@pytest.mark.requirement("TST-16")
def test_two_tabs_both_finish(page: Page) -> None:
    other = page.context.new_page()
    start_sso(page, "cat@acme.test")
    start_sso(other, "cat@acme.test")
    at_idp(other, "cat")
    expect(other.get_by_role("heading", name="Dashboard")).to_be_visible()
    at_idp(page, "cat")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_enter_works_in_both_forms(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Work email").fill("dan@acme.test")
    page.get_by_label("Work email").press("Enter")
    at_idp(page, "dan")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.context.clear_cookies()
    page.goto("/login")
    page.get_by_label("Email", exact=True).fill("olga@acme.test")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    expect(page.get_by_text("your role: Owner")).to_be_visible()


@pytest.mark.requirement("TST-16")
def test_signing_out_says_what_goes_on(page: Page) -> None:
    sso(page, "eve")
    page.locator("details.menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_text("You may still be signed in at your company")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in to LLM Ops")).to_be_visible()


def tab_to(page: Page, name: str, *, most: int = 20) -> None:
    """Press Tab until the control of this name has the focus, and the focus can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        shown = focused.evaluate("e => (e.labels?.[0] ?? e).textContent.trim() || e.getAttribute('aria-label') || ''")
        if shown == name:
            assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
            return
    raise AssertionError(f"Tab does not reach «{name}»")


def test_the_sign_in_page_needs_no_mouse(page: Page) -> None:
    page.goto("/login")
    expect(page.get_by_label("Email", exact=True)).to_be_focused()
    page.keyboard.type("olga@acme.test")
    tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    tab_to(page, "Sign in")
    page.keyboard.press("Enter")
    expect(page.get_by_text("your role: Owner")).to_be_visible()
    page.context.clear_cookies()
    page.goto("/login")
    tab_to(page, "Work email")
    page.keyboard.type("hal@acme.test")
    tab_to(page, "Continue with SSO")
    page.keyboard.press("Enter")
    at_idp(page, "hal")
    expect(page.get_by_text("Welcome to LLM Ops, Hal Lee")).to_be_visible()


def test_the_sign_up_page_needs_no_mouse(stage: Stage, page: Page) -> None:
    page.goto("/signup")
    values = {
        "First name": "Kim",
        "Last name": "Quick",
        "Work email": "kim@keys.test",
        "Organization name": "Keys",
        "Password": PASSWORD,
    }
    for name, text in values.items():
        tab_to(page, name)
        page.keyboard.type(text)
    tab_to(page, "Create account")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    page.goto(link_in(stage.box.wait_for("kim@keys.test"), "/signup/verify"))
    tab_to(page, "Yes, confirm my address")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_the_skip_link_leads_past_the_navigation(page: Page) -> None:
    with_password(page)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.goto("/settings/team")
    tab_to(page, "Skip to main content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_it_works_without_javascript(stage: Stage, browser: Browser) -> None:
    with page_of(browser, stage.product.url, javascript=False) as page:
        with_password(page)
        expect(page.get_by_text("your role: Owner")).to_be_visible()
        page.locator("details.menu > summary").click()
        page.get_by_role("button", name="Sign out").click()
        sso(page, "ivy")
        page.locator("form button, form input[type=submit]").first.click()  # what the script of the IdP would press
        expect(page.get_by_text("Welcome to LLM Ops, Ivy Lee")).to_be_visible()


def test_the_theme_is_chosen_and_kept(page: Page) -> None:
    def ground(theme: str) -> str:
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.wait_for_load_state()
        found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return found

    page.goto("/login/forgot")
    page.get_by_role("button", name="Dark theme").click()
    dark = ground("dark")
    expect(page.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", "true")
    assert page.url.endswith("/login/forgot")
    with_password(page)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert ground("dark") == dark
    page.locator("details.menu > summary").click()
    page.get_by_role("button", name="Light theme").click()
    assert ground("light") != dark


def test_a_password_is_shown_on_request_only(page: Page) -> None:
    page.goto("/login")
    field = page.locator("#password")
    field.fill(PASSWORD)
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "password")


@pytest.mark.parametrize(
    ("asked", "heading"),
    [("/settings/team", "Team"), ("https://evil.test/", "Dashboard"), ("//evil.test", "Dashboard")],
)
def test_a_password_leads_to_the_page_asked_for_if_it_is_ours(page: Page, asked: str, heading: str) -> None:
    page.goto(f"/login?next={asked}")
    page.get_by_label("Email", exact=True).fill("olga@acme.test")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()


def test_the_page_asked_for_is_where_it_ends(page: Page) -> None:
    page.goto("/settings/profile")
    page.get_by_label("Work email").fill("fay@acme.test")
    page.get_by_role("button", name="Continue with SSO").click()
    at_idp(page, "fay")
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()


def test_a_phone_needs_no_scrolling_sideways(stage: Stage, browser: Browser) -> None:
    with page_of(browser, stage.product.url, width=320, height=640) as page:
        for path in ("/login", "/signup", "/login/forgot", "/nowhere"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        with_password(page)
        for path in ("/", "/settings/team", "/settings/profile"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
