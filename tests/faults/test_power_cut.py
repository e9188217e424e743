"""The server is killed right after it acknowledged a step, and started again: the step is there, whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.product import MEMBER, OWNER, PASSWORD, Product, acme, is_in
from lxml import etree
from saml import build
from support.mailbox import Mailbox, link_in, mailbox
from support.page import Page, Upload
from support.postgres import Postgres
from support.server import Server, start
from support.visitor import Visitor

from llmops.broker.connections import Kind

pytestmark = [pytest.mark.database, pytest.mark.requirement("TST-20")]
NEW_PASSWORD = "four unrelated words here"
OLIVE = "olive@newco.test"
CONTACT_FORM = "/settings/billing/contact-sales"
METADATA_FORM = "/portal/okta-saml/metadata"


@dataclass
class Machine:
    """An installation whose server loses power whenever a step was acknowledged."""

    product: Product
    letters: Mailbox
    server: Server

    def cut(self, page: Page, *, status: int = 303) -> None:
        """The answer is there; at this moment the server dies. It starts again at once."""
        assert page.status == status, page.text
        self.server.kill()
        self.server = _started(self.product)

    def link(self, address: str, containing: str) -> str:
        """The address in the next letter to somebody."""
        return link_in(self.letters.wait_for(address, timeout_seconds=20), containing)

    def reopen(self, visitor: Visitor, path: str) -> Page:
        return visitor.follow(visitor.get(path))


def _started(product: Product) -> Server:
    log_file = product.installation.folder / "server.log"
    return start(product.installation.environment, log_file=log_file, port=product.installation.port)


@pytest.fixture(scope="module")
def machine(
    postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("power")
    with mailbox() as letters, acme(folder, postgresql, template, mailbox=letters) as product:
        made = Machine(product, letters, _started(product))
        yield made
        made.server.stop()
        faults = [line for line in made.server.log.splitlines() if '"unexpected"' in line or "Traceback" in line]
        assert not faults
        product.installation.llmops("audit", "verify")


@pytest.fixture
def visitor(machine: Machine) -> Iterator[Visitor]:
    with Visitor(machine.product.url) as browser:
        yield browser


def test_a_verified_sign_up(machine: Machine, visitor: Visitor) -> None:
    names = {"first_name": "Olive", "last_name": "Oh", "organization_name": "New Co", "email": OLIVE}
    visitor.submit(visitor.get("/signup"), "/signup", **names, password=PASSWORD)
    page = visitor.follow(visitor.get(machine.link(OLIVE, "/signup/verify")))
    machine.cut(visitor.submit(page, "/signup/verify"))
    assert "Olive Oh" in visitor.get("/").text
    query = "SELECT count(*) FROM members m JOIN users u ON u.id = m.user_id JOIN passwords p ON p.user_id = u.id"
    assert machine.product.value(f"{query} WHERE m.role = 'owner' AND u.email = '{OLIVE}'") == 1
    assert machine.product.value("SELECT count(*) FROM organizations WHERE slug = 'new-co'") == 1
    asked_sales(machine, visitor)


def asked_sales(machine: Machine, owner: Visitor) -> None:
    """Her new company goes on to ask sales."""
    form = owner.get(CONTACT_FORM)
    machine.cut(owner.submit(form, CONTACT_FORM, phone="+1 415 555 0100", identity_provider="Okta", users="250"))
    assert machine.product.value("SELECT count(*) FROM sales_requests WHERE state = 'new'") == 1
    machine.letters.wait_for(OLIVE, timeout_seconds=20)  # what was queued with it goes out all the same


def test_a_changed_password(machine: Machine, visitor: Visitor) -> None:
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=MEMBER)
    page = visitor.follow(visitor.get(machine.link(MEMBER, "/login/reset")))
    machine.cut(visitor.submit(page, "/login/reset", password=NEW_PASSWORD), status=200)
    assert machine.product.sign_in(visitor, MEMBER, PASSWORD).status == 401
    assert machine.product.sign_in(visitor, MEMBER, NEW_PASSWORD).status == 303
    machine.letters.wait_for(MEMBER, "password was changed", timeout_seconds=20)


def test_a_step_in_the_portal(machine: Machine, visitor: Visitor) -> None:
    machine.product.installation.told("org", "create", "Portal Co", "--plan", "enterprise")
    made = machine.product.installation.told("portal", "link", "portal-co")
    opened = visitor.follow(visitor.get(made["url"]))
    visitor.submit(opened, "/portal/start")
    machine.cut(visitor.submit(visitor.get("/portal"), "/portal/provider", kind=Kind.OKTA_SAML.value))
    file = Upload("metadata.xml", etree.tostring(build.metadata()), "application/xml")
    machine.cut(visitor.submit(visitor.get(METADATA_FORM), METADATA_FORM, file=file))
    assert build.IDP in machine.reopen(visitor, METADATA_FORM).text
    query = "SELECT count(*) FROM connections c JOIN organizations o ON o.id = c.organization_id"
    assert machine.product.value(f"{query} WHERE o.slug = 'portal-co'") == 1


def test_a_sign_in_through_single_sign_on(machine: Machine, visitor: Visitor) -> None:
    before = machine.product.value("SELECT count(*) FROM sessions")
    landed = machine.product.saml_sign_in(visitor)
    machine.cut(landed, status=200)
    assert "Ann Lee" in visitor.get("/").text
    assert machine.product.value("SELECT count(*) FROM sessions") == before + 1
    query = "SELECT count(*) FROM identities i JOIN users u ON u.id = i.user_id WHERE u.email = 'ann@acme.test'"
    assert machine.product.value(query) == 1
    assert machine.product.value("SELECT count(*) FROM logins WHERE redeemed_at IS NULL") == 0
    assert machine.product.value("SELECT count(*) FROM used_assertions") == 1


def test_a_changed_role(machine: Machine, visitor: Visitor) -> None:
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=OWNER)
    page = visitor.follow(visitor.get(machine.link(OWNER, "/login/reset")))
    visitor.submit(page, "/login/reset", password=PASSWORD)
    machine.product.sign_in(visitor, OWNER)
    query = "SELECT m.id FROM members m JOIN users u ON u.id = m.user_id WHERE u.email = 'pat@acme.test'"
    path = f"/settings/team/{machine.product.value(query)}"
    machine.cut(visitor.submit(visitor.get(path), f"{path}/role", role="admin"))
    assert machine.product.value(query.replace("m.id", "m.role", 1)) == "admin"
    assert machine.product.value("SELECT count(*) FROM audit_entries WHERE action = 'member.role_changed'") == 1
    assert is_in(visitor)


def test_a_letter_waits_for_its_relay(machine: Machine, visitor: Visitor) -> None:
    machine.letters.refusal = "451 Later"
    machine.cut(visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=OWNER), status=200)
    machine.letters.refusal = None
    soon(machine.product)
    machine.letters.wait_for(OWNER, "reset", timeout_seconds=20)


def soon(product: Product) -> None:
    """What waits for another try, or for the lease of the killed one to end, is due now."""
    past = "'2026-01-01 00:00:00+00:00'"
    product.installation.sql(f"UPDATE jobs SET leased_until = NULL, due_at = {past} WHERE done_at IS NULL")


def test_nothing_is_left_in_halves(machine: Machine) -> None:
    """After all those cuts every row that points somewhere points at something."""
    dangling: dict[str, Any] = {
        "members": "SELECT count(*) FROM members WHERE user_id NOT IN (SELECT id FROM users)",
        "organizations": "SELECT count(*) FROM organizations WHERE id NOT IN (SELECT organization_id FROM members)"
        " AND slug <> 'portal-co'",
        "sessions": "SELECT count(*) FROM sessions WHERE user_id NOT IN (SELECT id FROM users)",
        "passwords": "SELECT count(*) FROM passwords WHERE user_id NOT IN (SELECT id FROM users)",
    }
    assert {name: machine.product.value(query) for name, query in dangling.items()} == dict.fromkeys(dangling, 0)
