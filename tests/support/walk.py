"""What people do on pages, by what they see: sign in, copy a value, test a connection from the Admin Portal."""

import time

import pyotp
from playwright.sync_api import Page, expect

PASSWORD = "correct horse battery staple"


def sign_in(page: Page, address: str, password: str = PASSWORD) -> None:
    """With a password, from the sign-in page."""
    page.goto("/login")
    page.get_by_label("Email", exact=True).fill(address)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def start_sso(page: Page, address: str) -> None:
    """Off to the company's identity provider, from the sign-in page."""
    page.goto("/login")
    page.get_by_label("Work email").fill(address)
    page.get_by_role("button", name="Continue with SSO").click()


def at_idp(page: Page, name: str, password: str = "pw") -> None:
    """Sign in on the page of one of the identity providers in tests/idps."""
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("button[type=submit], input[type=submit], button").first.click()


def copied(page: Page, label: str) -> str:
    """What the copy button of this label puts on the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name=f"Copy {label}", exact=True).first
    button.click()
    expect(button).to_contain_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()"))


def on_to(page: Page, heading: str) -> None:
    """Press Continue; the next page has this heading."""
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()


def try_out(page: Page) -> Page:
    """Press the button of the portal's step «Test the sign-in»; returns the tab that it opens."""
    page.get_by_role("link", name="Test the sign-in").click()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Test sign-in").click()
    opened.value.wait_for_load_state()
    return opened.value


def code(secret: str, *, steps: int = 0) -> str:
    """What the authenticator app shows now, or some steps of 30 seconds later (earlier when negative)."""
    return pyotp.TOTP(secret.replace(" ", "")).at(int(time.time()), counter_offset=steps)
