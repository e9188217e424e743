"""A real Chromium, for what only a browser can show: scripts, styles, the security policy, the look."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Dialog, FloatRect, Page, sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LONGEST_PICTURE = 1500  # CSS pixels
NAMES = ("chromium", "chromium-browser", "google-chrome")
_ELSEWHERE = re.compile(r"^https?://(?!(127\.0\.0\.1|localhost)[:/])")
_REPORTING = """
document.addEventListener("securitypolicyviolation", (event) => console.error(
    `policy broken: ${event.effectiveDirective} by ${event.blockedURI} ${event.sample} on ${event.documentURI}`));
"""
"""Runs first on every page: Chromium's own words about the policy change, and for some breaches there are none."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """The path of the browser program, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def chromium_missing() -> str | None:
    """Why browser tests are to be skipped, or None when they can run."""
    return None if chromium() else "no Chromium on this machine (Debian: apt-get install chromium)"


@contextmanager
def chromium_running(*flags: str) -> Iterator[Browser]:
    """A new browser, for several pages without anything in common; `flags` beside those that it always has."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(
    browser: Browser,
    base_url: str = "",
    *,
    width: int = 1280,
    height: int = 900,
    locale: str = "en-US",
    javascript: bool = True,
    any_certificate: bool = False,
    timeout_seconds: float = 10,
) -> Iterator[Page]:
    """An empty page without history or cookies; addresses may leave out `base_url`. More tabs: `page.context`.

    `any_certificate`: the server is one of ours, which made its own.
    Raises: AssertionError at the end when a script failed, something broke the content security policy, or a page
    opened a dialog, in any tab.
    """
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # Chromium reports every answer of 400 and above as an error; what a page answers is for the tests to judge.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(message.text)

    def on_dialog(dialog: Dialog) -> None:
        faults.append(f"a dialog on {dialog.page.url if dialog.page else 'a page'}: {dialog.message}")
        dialog.dismiss()

    context = browser.new_context(
        base_url=base_url or None,
        viewport={"width": width, "height": height},
        locale=locale,
        timezone_id="UTC",
        java_script_enabled=javascript,
        ignore_https_errors=any_certificate,
    )
    try:
        context.set_default_timeout(timeout_seconds * 1000)
        context.on("console", on_console)
        context.on("dialog", on_dialog)
        context.add_init_script(_REPORTING)
        context.on("weberror", lambda fault: faults.append(str(fault.error)))
        # An identity provider's page may want styles of a content delivery network: the tests need no internet.
        context.route(_ELSEWHERE, lambda route: route.abort())
        if any_certificate:
            context.route(f"{base_url}/**", lambda route: route.continue_())
        yield context.new_page()
    finally:
        context.close()
    assert not faults, f"the pages had faults: {faults}"


@contextmanager
def chromium_page(base_url: str = "", **options: Any) -> Iterator[Page]:
    """A page of a browser of its own; arguments as of `page_of`."""
    with chromium_running() as browser, page_of(browser, base_url, **options) as page:
        yield page


def screenshot(page: Page, name: str) -> None:
    """Keep the page's picture as docs/images/<name>.png, only when LLMOPS_SCREENSHOTS=1. Long pages are cut."""
    if os.environ.get("LLMOPS_SCREENSHOTS") == "1":
        IMAGES.mkdir(parents=True, exist_ok=True)
        width, height = page.evaluate("[innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]")
        clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": min(height, LONGEST_PICTURE)}
        page.screenshot(path=IMAGES / f"{name}.png", full_page=True, clip=clip, animations="disabled")
