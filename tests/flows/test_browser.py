"""A real browser walks the product: sign-up, SSO by SAML and by OpenID Connect, the sentences, cookies, keyboard.

With LLMOPS_SCREENSHOTS=1 the pages' pictures go to docs/images.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect
from support.browser import chromium_missing, chromium_page, screenshot
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
        names = ("ann", "bob", "cat", "dan", "eve", "fay")
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
def page(stage: Stage) -> Iterator[Page]:
    with chromium_page(stage.product.url) as opened:
        yield opened


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
    screenshot(page, "sign-up")
    for label, text in (("First name", "Nora"), ("Last name", "Quick"), ("Work email", "nora@newco.test")):
        page.get_by_label(label).fill(text)
    page.get_by_label("Organization name").fill("New Co")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    screenshot(page, "check-mail")
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
    if "gmail" in address:
        screenshot(page, "sign-in-error")


def test_an_answer_after_the_cookies_went_is_named(page: Page) -> None:
    start_sso(page, "bob@acme.test")
    page.context.clear_cookies()
    at_idp(page, "bob")
    expect(page.get_by_role("alert")).to_contain_text("This browser did not start that sign-in")


def test_back_and_reload_after_a_sign_in(stage: Stage, page: Page) -> None:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    sso(page, "bob")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    [callback] = [url for url in seen if "/login/sso/callback" in url]
    page.goto(callback)
    expect(page.get_by_role("alert")).to_contain_text("already used")
    page.goto("/")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.go_back()
    page.goto("/")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


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


def test_signing_out_says_what_goes_on(page: Page) -> None:
    sso(page, "eve")
    page.locator("details.menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_text("You may still be signed in at your company")).to_be_visible()


def test_it_works_without_javascript(stage: Stage) -> None:
    with chromium_page(stage.product.url, javascript=False) as page:
        with_password(page)
        expect(page.get_by_text("your role: Owner")).to_be_visible()
        page.context.clear_cookies()
        start_sso(page, "ann@acme.test")
        expect(page.locator("input[name=username]")).to_be_visible()


def test_the_page_asked_for_is_where_it_ends(page: Page) -> None:
    page.goto("/settings/profile")
    page.get_by_label("Work email").fill("fay@acme.test")
    page.get_by_role("button", name="Continue with SSO").click()
    at_idp(page, "fay")
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    screenshot(page, "profile")


def test_a_phone_needs_no_scrolling_sideways(stage: Stage) -> None:
    with chromium_page(stage.product.url, width=320, height=640) as page:
        for path in ("/login", "/signup", "/login/forgot", "/nowhere"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        with_password(page)
        for path in ("/", "/settings/team", "/settings/profile"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_pictures(stage: Stage) -> None:
    with chromium_page(stage.product.url) as page:
        page.goto("/login")
        screenshot(page, "sign-in")
        page.emulate_media(color_scheme="dark")
        screenshot(page, "sign-in-dark")
        page.emulate_media(color_scheme="light")
        page.goto("/nowhere")
        screenshot(page, "error")
        with_password(page)
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        screenshot(page, "dashboard")
        page.emulate_media(color_scheme="dark")
        screenshot(page, "dashboard-dark")
        page.emulate_media(color_scheme="light")
        page.goto("/settings/team")
        screenshot(page, "team")
    with chromium_page(stage.product.url, width=375, height=780) as phone:
        phone.goto("/login")
        screenshot(phone, "sign-in-phone")
        with_password(phone)
        screenshot(phone, "dashboard-phone")
