"""A real Chromium, for what only a browser can show: scripts, styles, the security policy, the look."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Error, Page, sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"
NAMES = ("chromium", "chromium-browser", "google-chrome")
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
def chromium_page(
    base_url: str = "",
    *,
    width: int = 1280,
    height: int = 900,
    locale: str = "en-US",
    javascript: bool = True,
    timeout_seconds: float = 10,
) -> Iterator[Page]:
    """An empty page of a new browser without history or cookies; addresses may leave out `base_url`.

    Raises: AssertionError at the end when a script failed or something broke the content security policy.
    """
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    def on_error(error: Error) -> None:
        faults.append(str(error))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            context = browser.new_context(
                base_url=base_url or None,
                viewport={"width": width, "height": height},
                locale=locale,
                timezone_id="UTC",
                java_script_enabled=javascript,
            )
            context.set_default_timeout(timeout_seconds * 1000)
            context.on("console", on_console)
            page = context.new_page()
            page.on("pageerror", on_error)
            yield page
        finally:
            browser.close()
    assert not faults, f"the pages had faults: {faults}"


def screenshot(page: Page, name: str) -> None:
    """Keep the page's picture as docs/images/<name>.png, only when LLMOPS_SCREENSHOTS=1."""
    if os.environ.get("LLMOPS_SCREENSHOTS") == "1":
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png", full_page=True, animations="disabled")
