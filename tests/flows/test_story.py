"""One customer from sign-up to compulsory single sign-on, in a real browser, by pages and letters alone.

The identity provider speaks SAML and was written by others (pysaml2); its administrator sees nothing but the Admin
Portal and the identity provider. Name server and mailbox are on this machine. The tests are steps: each needs those
above it.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import chromium_missing, page_of
from support.dns import NameServer, dns
from support.idps import Idp, pysaml2
from support.installation import Installation, installed
from support.mailbox import Mailbox, link_in, mailbox, text_of
from support.postgres import Postgres
from support.walk import PASSWORD, at_idp, code, copied, on_to, sign_in, start_sso, try_out

pytestmark = [
    pytest.mark.browser,
    pytest.mark.idps,
    pytest.mark.database,
    pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing())),
    pytest.mark.usefixtures("in_turn"),
]
OWNER, SECOND, IT, STAFF = "olivia@orchard.test", "ben@orchard.test", "it@orchard.test", "sam@llm-ops.test"
WRONG_AUDIENCE = "https://llm-ops.example/saml"


@dataclass
class Stage:
    """The product, everything around it, a browser for each person, and what they wrote down."""

    product: Installation
    box: Mailbox
    names: NameServer
    owner: Page
    staff: Page
    it: Page
    second: Page
    running: ExitStack
    notes: dict[str, str] = field(default_factory=dict)
    idp: Idp | None = None

    @property
    def okta(self) -> Idp:
        """The identity provider, once its administrator has set it up."""
        assert self.idp is not None
        return self.idp


@pytest.fixture(scope="module")
def stage(
    browser: Browser, postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("story")
    with ExitStack() as running:
        box, names = running.enter_context(mailbox()), running.enter_context(dns({}))
        servers = {"LLMOPS_DNS_SERVERS": names.address}
        product = running.enter_context(installed(folder, postgresql, template, mailbox=box, **servers))
        running.enter_context(product.serving())
        owner, staff, it, second = (running.enter_context(page_of(browser, product.url)) for _ in range(4))
        yield Stage(product, box, names, owner, staff, it, second, running)


def person(name: str, *, first_name: str) -> dict[str, Any]:
    """Somebody at the identity provider."""
    address = [f"{name}@orchard.test"]
    return {"password": "pw", "uid": [name], "email": address, first_name: [name.title()], "lastName": ["Lee"]}


def people(*, first_name: str = "firstName") -> str:
    """Everybody at the identity provider; `first_name` is the name of the attribute that carries it."""
    return json.dumps({name: person(name, first_name=first_name) for name in ("olivia", "ben", "it")})


def menu(page: Page, item: str) -> None:
    """Go to a page of the product by its navigation."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=item).click()
    expect(page.get_by_role("heading", level=1, name=item)).to_be_visible()


def open_rail(page: Page, step: str) -> None:
    """Go to a step by the list of steps."""
    page.get_by_role("navigation", name="Steps").get_by_role("link", name=step).click()
    expect(page.get_by_role("heading", level=1, name=step)).to_be_visible()


# --- Sign up, contact sales ----------------------------------------------------------------------------------------


def test_the_owner_signs_up(stage: Stage) -> None:
    page = stage.owner
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    for label, text in (("First name", "Olivia"), ("Last name", "Stone"), ("Work email", OWNER)):
        page.get_by_label(label).fill(text)
    page.get_by_label("Organization name").fill("Orchard")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    page.goto(link_in(stage.box.wait_for(OWNER), "/signup/verify"))
    page.get_by_role("button", name="Yes, confirm my address").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(page.get_by_text("your role: Owner")).to_be_visible()


def test_the_owner_contacts_sales(stage: Stage) -> None:
    page = stage.owner
    menu(page, "Billing")
    page.get_by_role("link", name="Upgrade - Contact Sales").click()
    expect(page.get_by_label("Email", exact=True)).to_have_value(OWNER)
    expect(page.get_by_label("Company email domain")).to_have_value("orchard.test")
    page.get_by_label("Phone").fill("+1 415 555 0100")
    page.get_by_label("Identity provider").select_option("Okta")
    page.get_by_label("Users").fill("120")
    page.get_by_label("Message").fill("We would like to start in December.")
    page.get_by_role("button", name="Send to sales").click()
    expect(page.get_by_role("heading", name="Your request")).to_be_visible()
    request = stage.box.wait_for("sales@cloudidr.com", "Orchard asks for the Enterprise plan")
    assert OWNER in str(request["Reply-To"])
    assert "We would like to start in December." in text_of(request)
    assert "120" in text_of(stage.box.wait_for(OWNER, "Your request for the Enterprise plan"))


# --- Staff upgrade, provision and send ----------------------------------------------------------------------------


def test_staff_sign_in_with_a_second_factor_and_find_the_request(stage: Stage) -> None:
    made = stage.product.told("staff", "create", STAFF, "--name", "Sam Staff", "--password-stdin", typed=PASSWORD)
    page = stage.staff
    page.goto("/staff")
    page.get_by_label("Email", exact=True).fill(STAFF)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Code", exact=True).fill(code(made["secret"]))
    page.get_by_role("button", name="Confirm and sign in").click()
    page.get_by_role("link", name="I have kept them, go on").click()
    row = page.get_by_role("row").filter(has_text=OWNER)
    expect(row).to_contain_text("Okta")
    row.get_by_role("link", name="Orchard").click()
    expect(page.get_by_role("heading", level=1, name="Orchard")).to_be_visible()


def test_staff_upgrade_the_plan(stage: Stage) -> None:
    page = stage.staff
    page.get_by_text("Change plan and contract", exact=True).click()
    form = page.get_by_role("form", name="Change plan and contract")
    form.get_by_label("Plan").select_option("Enterprise")
    form.get_by_label("Seats").fill("120")
    form.get_by_label("Price").fill("EUR 18,000 a year")
    form.get_by_label("Reason").fill("Order form signed")
    form.get_by_role("button", name="Change the contract").click()
    expect(page.get_by_role("status").filter(has_text="The contract is changed")).to_be_visible()


def test_staff_provision_the_connection_and_send_the_link(stage: Stage) -> None:
    page = stage.staff
    form = page.get_by_role("form", name="Provision a connection")
    if not form.is_visible():
        page.get_by_text("Provision a connection", exact=True).click()
    form.get_by_label("Domains to claim").fill("orchard.test")
    form.get_by_label("IT contacts").fill(IT)
    form.get_by_label("Reason").fill("Order form signed")
    form.get_by_role("button", name="Make and send").click()
    expect(page.get_by_role("heading", name="The link is on its way")).to_be_visible()


# --- The administrator of the identity provider, with the portal's pages alone -------------------------------------


def test_the_link_in_the_mail_is_opened(stage: Stage) -> None:
    page, letter = stage.it, stage.box.wait_for(IT)
    assert "Orchard" in str(letter["Subject"])
    page.goto(link_in(letter, "/portal/start"))
    assert "token" not in page.url
    page.get_by_role("button", name="Open the Admin Portal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your identity provider")
    assert "Orchard" in str(stage.box.wait_for(OWNER, "Admin Portal")["Subject"])


def test_the_guide_leads_through_the_identity_provider(stage: Stage) -> None:
    page = stage.it
    page.get_by_role("button", name="SAML 2.0 with Okta").click()
    expect(page.get_by_role("heading", level=1, name="Create the app")).to_be_visible()
    on_to(page, "Paste our addresses")
    stage.notes["acs"] = copied(page, "Single sign-on URL")
    stage.notes["entity_id"] = copied(page, "Audience URI (SP Entity ID)")
    on_to(page, "Send the person's details")
    expect(page.get_by_role("group", name="I see a Value list").get_by_role("cell", name="user.email")).to_be_visible()
    on_to(page, "Finish the app")
    on_to(page, "Assign yourself, then the others")
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_text("Tick the box once you are assigned")).to_be_visible()
    page.get_by_label("My own account is assigned").check()
    on_to(page, "Give us Okta's metadata")


def test_metadata_is_taken_from_a_file_with_a_warning_about_its_certificate(stage: Stage) -> None:
    """The administrator makes three mistakes; the first is a file from before the certificate was renewed."""
    made = pysaml2(
        sp_entity_id=stage.notes["entity_id"], acs_url=stage.notes["acs"], SP_AUDIENCE=WRONG_AUDIENCE,
        PYSAML2_CERT_DAYS="-1", PYSAML2_USERS_JSON=people(first_name="vorname"),
    )  # fmt: skip
    stage.idp = stage.running.enter_context(made)
    metadata = stage.product.file("metadata.xml", httpx2.get(stage.okta.metadata_url).content)
    (stage.okta.work / "idp.crt").unlink()
    stage.idp = replace(stage.okta, environment={**stage.okta.environment, "PYSAML2_CERT_DAYS": "3650"})
    stage.okta.run()
    page = stage.it
    page.get_by_label("Or the metadata file").set_input_files(metadata)
    page.get_by_role("button", name="Read it").click()
    read = page.get_by_role("region", name="Here is what we read")
    expect(read).to_contain_text(stage.okta.entity_id)
    expect(read).to_contain_text("A certificate has expired")
    on_to(page, "Verify your domain")


def test_the_domain_is_proven_by_dns(stage: Stage) -> None:
    page = stage.it
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("alert")).to_contain_text("TXT record")
    stage.names.records[copied(page, "Name")] = [copied(page, "Value")]
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("The domain is verified")).to_be_visible()
    on_to(page, "Test the sign-in")


def test_a_certificate_that_expired_is_read_and_repaired(stage: Stage) -> None:
    tab = try_out(stage.it)
    at_idp(tab, "it")
    expect(tab.get_by_role("heading", level=1, name="Test failed")).to_be_visible()
    expect(tab.get_by_text("idp_certificate_expired").first).to_be_visible()
    expect(tab.get_by_role("heading", name="How to fix it in Okta")).to_be_visible()
    open_rail(tab, "Give us Okta's metadata")
    tab.get_by_label("Metadata address").fill(stage.okta.metadata_url)
    tab.get_by_role("button", name="Read it").click()
    read = tab.get_by_role("region", name="Here is what we read")
    expect(read).to_contain_text(stage.okta.metadata_url)
    expect(read).not_to_contain_text("expired")
    tab.close()


def test_a_wrong_audience_is_read_and_repaired(stage: Stage) -> None:
    tab = try_out(stage.it)  # the identity provider still knows who it is
    expect(tab.get_by_role("heading", level=1, name="Test failed")).to_be_visible()
    expect(tab.get_by_text("saml_wrong_audience").first).to_be_visible()
    for told in (WRONG_AUDIENCE, stage.notes["entity_id"]):
        expect(tab.locator("main")).to_contain_text(told)
    expect(tab.get_by_role("listitem").filter(has_text="Set Audience URI (SP Entity ID) to")).to_be_visible()
    apps = stage.okta.work / "sps.json"
    apps.write_text(json.dumps([{**app, "audience": ""} for app in json.loads(apps.read_text())]))
    tab.close()


def test_an_attribute_under_another_name_is_read_and_repaired(stage: Stage) -> None:
    tab = try_out(stage.it)
    expect(tab.get_by_role("heading", level=1, name="Test failed")).to_be_visible()
    expect(tab.get_by_text("first_name_missing").first).to_be_visible()
    tab.get_by_text("Everything that arrived").click()
    expect(tab.get_by_role("term").filter(has_text="vorname")).to_be_visible()
    (stage.okta.work / "users.json").write_text(people())
    tab.get_by_role("button", name="Test again").click()
    expect(tab.get_by_role("heading", level=1, name="Test passed")).to_be_visible()
    expect(tab.get_by_role("row").filter(has_text="firstName")).to_contain_text("It")
    on_to(tab, "Activate")
    stage.notes["tab"] = tab.url
    tab.close()


def test_single_sign_on_is_activated(stage: Stage) -> None:
    page = stage.it
    page.reload()
    on_to(page, "Activate")
    page.get_by_role("button", name="Activate SSO").click()
    expect(page.get_by_role("heading", level=1, name="SSO is active")).to_be_visible()
    stage.notes["login_url"] = copied(page, "Login URL")
    for address in (OWNER, IT):
        assert stage.notes["login_url"] in text_of(stage.box.wait_for(address, "SSO is active"))
    page.get_by_role("button", name="Close the portal here").click()
    expect(page.get_by_role("heading", name="The Admin Portal is closed")).to_be_visible()


# --- People sign in -----------------------------------------------------------------------------------------------


def test_a_second_person_signs_in_and_is_in_the_team_at_once(stage: Stage) -> None:
    page = stage.second
    page.goto(stage.notes["login_url"])
    expect(page.get_by_role("heading", level=1, name="Sign in to Orchard")).to_be_visible()
    page.get_by_label("Work email").fill(SECOND)
    page.get_by_role("button", name="Continue with SSO").click()
    at_idp(page, "ben")
    expect(page.get_by_text("Welcome to LLM Ops, Ben Lee")).to_be_visible()
    menu(stage.owner, "Team")
    row = stage.owner.get_by_role("row").filter(has_text=SECOND)
    expect(row).to_contain_text("First SSO sign-in")
    expect(row).to_contain_text("Member")


def test_the_owner_makes_the_second_person_an_admin(stage: Stage) -> None:
    page = stage.owner
    page.get_by_role("link", name="Ben Lee").click()
    page.get_by_label("New role").select_option("Admin")
    page.get_by_role("button", name="Change the role").click()
    expect(page.get_by_text("The role is changed")).to_be_visible()
    stage.second.reload()
    expect(stage.second.get_by_role("heading", name="Sign in to LLM Ops")).to_be_visible()
    start_sso(stage.second, SECOND)
    expect(stage.second.get_by_role("link", name="Audit log")).to_be_visible()


# --- Single sign-on becomes compulsory ----------------------------------------------------------------------------


def test_it_cannot_be_made_compulsory_while_nobody_is_named_for_emergencies(stage: Stage) -> None:
    page = stage.staff
    page.get_by_role("link", name="Back to Orchard").click()
    enforcement = page.get_by_role("region", name="Compulsory single sign-on")
    expect(enforcement.get_by_text("It can be switched on once every condition is met")).to_be_visible()
    expect(enforcement.get_by_text("(not met)")).to_have_count(1)


def test_the_owner_is_named_for_emergencies(stage: Stage) -> None:
    page = stage.owner
    menu(page, "Profile")
    page.get_by_role("link", name="Set up two-step sign-in").click()
    page.get_by_role("button", name="Set up two-step sign-in").click()
    stage.notes["key"] = copied(page, "Key")
    page.get_by_label("Six-digit code").fill(code(stage.notes["key"], steps=-1))
    page.get_by_role("button", name="Switch on two-step sign-in").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    menu(page, "Security")
    page.get_by_role("button", name="Name Olivia Stone").click()
    expect(page.get_by_text("The owner can get in when single sign-on is broken")).to_be_visible()


def test_staff_make_it_compulsory(stage: Stage, browser: Browser) -> None:
    staff = stage.staff
    with page_of(browser, stage.product.url) as page:
        start_sso(page, OWNER)
        at_idp(page, "olivia")
        expect(page.get_by_role("alert")).to_contain_text("confirm once that this is your account")
        page.goto(link_in(stage.box.wait_for(OWNER, "company sign-in"), "/login/link"))
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_text("your role: Owner")).to_be_visible()
        staff.reload()
        staff.get_by_text("Make it compulsory", exact=True).click()
        form = staff.get_by_role("form", name="Make it compulsory")
        form.get_by_label("Reason").fill("The customer asked for it")
        form.get_by_role("button", name="Switch passwords off").click()
        expect(staff.get_by_text("Single sign-on is compulsory from now on")).to_be_visible()
        page.reload()
        expect(page.get_by_text("your role: Owner")).to_be_visible()  # SSO opened this session
    for address in (OWNER, SECOND):
        assert stage.notes["login_url"] in text_of(stage.box.wait_for(address, "SSO"))


def test_a_password_is_refused_with_the_sso_field_filled(stage: Stage) -> None:
    page = stage.owner
    page.reload()  # its session was opened with a password, and has ended
    expect(page.get_by_role("heading", name="Sign in to LLM Ops")).to_be_visible()
    sign_in(page, OWNER)
    expect(page.get_by_role("alert")).to_contain_text("Your organization signs in with SSO")
    expect(page.get_by_label("Work email")).to_have_value(OWNER)
    expect(page.get_by_label("Work email")).to_be_focused()


def test_with_the_identity_provider_down_others_get_the_sentence(stage: Stage) -> None:
    stage.okta.run("stop")
    page = stage.second
    page.context.clear_cookies()
    start_sso(page, SECOND)
    expect(page.get_by_role("heading", name="Dashboard")).not_to_be_visible()
    sign_in(page, SECOND, "whatever he tries now")
    expect(page.get_by_role("alert")).to_contain_text("Your organization signs in with SSO")
    page.get_by_role("link", name="Named emergency owners sign in here").click()
    for label, text in (("Email", SECOND), ("Password", PASSWORD), ("Code", "123456")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Sign in for an hour").click()
    expect(page.get_by_role("alert")).to_contain_text("That does not let you in")


def test_the_emergency_owner_gets_in(stage: Stage) -> None:
    page = stage.owner
    page.get_by_role("link", name="Named emergency owners sign in here").click()
    for label, text in (("Email", OWNER), ("Password", PASSWORD), ("Code", code(stage.notes["key"]))):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Sign in for an hour").click()
    expect(page.get_by_text("your role: Owner")).to_be_visible()
    menu(page, "Audit log")
    expect(page.get_by_role("row").filter(has_text="Olivia Stone").first).to_be_visible()
    stage.box.wait_for(OWNER, "somebody signed in past single sign-on")


def test_the_operators_rescue_link_lets_an_owner_in_once(stage: Stage, browser: Browser) -> None:
    told = stage.product.told("sso", "rescue", "orchard", "--email", OWNER)
    with page_of(browser, stage.product.url) as page:
        page.goto(told["url"])
        page.get_by_role("button", name="Sign in for an hour").click()
        expect(page.get_by_text("your role: Owner")).to_be_visible()
    with page_of(browser, stage.product.url) as page:
        page.goto(told["url"])
        expect(page.get_by_role("button", name="Sign in for an hour")).not_to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_contain_text("link")
