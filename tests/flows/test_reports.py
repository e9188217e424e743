"""A script that somebody got into a page: a real browser does not run it, and says so to the server (WEB-03)."""

import re
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flows.scenery import served
from playwright.sync_api import Browser, Route
from saml.keys import signer
from support.browser import chromium_missing, chromium_running, page_of
from support.ports import free_port
from world import World

pytestmark = [
    pytest.mark.browser,
    pytest.mark.one_database,
    pytest.mark.requirement("WEB-03", "TST-16"),
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
]
INJECTED = "<script>document.title = 'It ran'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium keeps reports of the Reporting API for up to a minute, and sends none to a certificate it minds."""
    with chromium_running("--short-reporting-delay", "--ignore-certificate-errors") as running:
        yield running


def injecting(route: Route) -> None:
    """The page as we send it, with a script that somebody else put there."""
    shipped = route.fetch()
    route.fulfill(response=shipped, body=shipped.text() + INJECTED)


def look_at_the_injected_page(browser: Browser, world: World) -> None:
    """Until a report arrived. Raises: AssertionError, as for every page that broke the policy."""
    base_url = world.settings.base_url
    with page_of(browser, base_url, any_certificate=base_url.startswith("https:")) as page:
        page.route(re.compile("/login"), injecting)
        page.goto("/login?next=/settings/team")
        assert INJECTED in page.content()
        assert page.title() != "It ran"
        until = time.monotonic() + 10
        while not reported(world) and time.monotonic() < until:
            page.wait_for_timeout(50)


def reported(world: World) -> float:
    """How many reports about scripts were counted."""
    values = {"directive": "script-src-elem"}
    return world.site.metrics.registry.get_sample_value("llmops_csp_reports_total", values) or 0


def test_a_development_server_hears_of_it_by_report_uri(make_world: Callable[..., World], browser: Browser) -> None:
    world = make_world(base_url=f"http://127.0.0.1:{free_port()}")
    with served(world):
        with pytest.raises(AssertionError, match="policy broken: script-src-elem by inline"):
            look_at_the_injected_page(browser, world)
        assert reported(world) == 1


def test_a_site_with_https_hears_of_it_by_the_reporting_api(
    make_world: Callable[..., World], browser: Browser, tmp_path: Path
) -> None:
    world = make_world(base_url=f"https://localhost:{free_port()}", env="production")
    (tmp_path / "key.pem").write_bytes(signer().pem)
    (tmp_path / "certificate.pem").write_text(ssl.DER_cert_to_PEM_cert(signer().der))
    with served(world, ssl_keyfile=tmp_path / "key.pem", ssl_certfile=tmp_path / "certificate.pem"):
        with pytest.raises(AssertionError, match="policy broken: script-src-elem by inline"):
            look_at_the_injected_page(browser, world)
        assert reported(world) == 1
