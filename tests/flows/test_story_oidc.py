"""An administrator connects a provider of OpenID Connect by its issuer, in a real browser, by the portal's pages alone.

The provider was written by others (nanoidp). The tests are steps: each needs those above it.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import chromium_missing, page_of
from support.dns import NameServer, dns
from support.idps import Idp, nanoidp
from support.installation import Installation, installed
from support.postgres import Postgres
from support.walk import at_idp, copied, on_to, start_sso, try_out

pytestmark = [
    pytest.mark.browser,
    pytest.mark.idps,
    pytest.mark.database,
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
    pytest.mark.usefixtures("in_turn"),
]
CLIENT, SECRET = "llm-ops", "a-secret-of-the-providers-client-1"


@dataclass
class Stage:
    """The product, a name server, the administrator's browser, and the provider once it is set up."""

    product: Installation
    names: NameServer
    it: Page
    running: ExitStack
    idp: Idp | None = None
    notes: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def stage(
    browser: Browser, postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with ExitStack() as running:
        names = running.enter_context(dns({}))
        folder, servers = tmp_path_factory.mktemp("oidc"), {"LLMOPS_DNS_SERVERS": names.address}
        product = running.enter_context(installed(folder, postgresql, template, **servers))
        product.told("org", "create", "Meadow", "--domain", "meadow.test", "--plan", "enterprise")
        running.enter_context(product.serving())
        yield Stage(product, names, running.enter_context(page_of(browser, product.url)), running)


def give_client(page: Page, issuer: str, secret: str) -> None:
    """Fill in the step «Give us the client»."""
    page.get_by_label("Issuer").fill(issuer)
    page.get_by_label("Client ID").fill(CLIENT)
    page.get_by_label("Client secret", exact=True).fill(secret)
    page.get_by_role("button", name="Check and save").click()


def test_the_link_opens_the_portal(stage: Stage) -> None:
    page = stage.it
    page.goto(stage.product.told("portal", "link", "meadow")["url"])
    page.get_by_role("button", name="Open the Admin Portal").click()
    page.get_by_role("button", name="OpenID Connect with Any OpenID Connect provider").click()
    expect(page.get_by_role("heading", level=1, name="Create a client")).to_be_visible()


def test_the_guide_leads_through_the_provider(stage: Stage) -> None:
    page = stage.it
    redirect_uri = copied(page, "Redirect URI")
    on_to(page, "Send the person's details")
    on_to(page, "Let people in, yourself first")
    page.get_by_label("My own account is assigned").check()
    on_to(page, "Give us the client")
    names = {"firstName": "Rosa", "lastName": "Lind", "given_name": "Rosa", "family_name": "Lind"}
    rosa = {"password": "pw", "email": "rosa@meadow.test", "roles": [], "groups": [], "attributes": names}
    client = {"client_id": CLIENT, "client_secret": SECRET, "NANOIDP_USERS_JSON": json.dumps({"rosa": rosa})}
    stage.idp = stage.running.enter_context(nanoidp(redirect_uris=[redirect_uri], **client))


def test_another_issuer_is_refused_with_a_sentence(stage: Stage) -> None:
    assert stage.idp is not None
    give_client(stage.it, stage.idp.issuer + "/", SECRET)
    expect(stage.it.get_by_role("alert")).to_contain_text(stage.idp.issuer)
    expect(stage.it.get_by_label("Client secret", exact=True)).to_have_value("")


def test_a_client_is_read_by_its_issuer(stage: Stage) -> None:
    assert stage.idp is not None
    page = stage.it
    give_client(page, stage.idp.issuer, "not-the-secret-of-this-client")
    read = page.get_by_role("region", name="Here is what we read")
    expect(read).to_contain_text(stage.idp.issuer)
    expect(read).not_to_contain_text("not-the-secret")
    on_to(page, "Verify your domain")


def test_a_wrong_secret_is_read_and_repaired(stage: Stage) -> None:
    assert stage.idp is not None
    page = stage.it
    stage.names.records[copied(page, "Name")] = [copied(page, "Value")]
    page.get_by_role("button", name="Check now").click()
    on_to(page, "Test the sign-in")
    tab = try_out(page)
    at_idp(tab, "rosa")
    expect(tab.get_by_role("heading", level=1, name="Test failed")).to_be_visible()
    expect(tab.get_by_text("oidc_client_secret").first).to_be_visible()
    tab.get_by_role("navigation", name="Steps").get_by_role("link", name="Give us the client").click()
    give_client(tab, stage.idp.issuer, SECRET)
    expect(tab.get_by_role("region", name="Here is what we read")).to_be_visible()
    tab.close()


def test_the_connection_is_tested_and_activated(stage: Stage) -> None:
    tab = try_out(stage.it)
    at_idp(tab, "rosa")
    expect(tab.get_by_role("heading", level=1, name="Test passed")).to_be_visible()
    expect(tab.get_by_role("row").filter(has_text="rosa@meadow.test")).to_be_visible()
    on_to(tab, "Activate")
    tab.get_by_role("button", name="Activate SSO").click()
    expect(tab.get_by_role("heading", level=1, name="SSO is active")).to_be_visible()


def test_a_person_signs_in(stage: Stage, browser: Browser) -> None:
    with page_of(browser, stage.product.url) as page:
        start_sso(page, "rosa@meadow.test")
        at_idp(page, "rosa")
        expect(page.get_by_text("Welcome to LLM Ops, Rosa Lind")).to_be_visible()
