"""A connection belongs to one organization for life: no field, header, RelayState, parameter or claim moves it."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from oidc import provider as op
from oidc.evil import Provider, come_back
from support import portal
from support.visitor import Visitor
from world import World, request_id_of

from llmops.broker.connections import Connection
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role

pytestmark = pytest.mark.requirement("TEN-01", "SAML-35")
SOURCE = Path(__file__).parents[2] / "src" / "llmops"
NAMES = ("organization_id", "organization", "org", "org_id", "connection_id", "connection", "tenant", "slug", "domain")
FROM_THERE = {"Origin": "https://idp.example.test", "Sec_Fetch_Site": "cross-site"}


@dataclass
class Two:
    """Two customers with a connection each; whoever signs in through Acme's wants to be in the other."""

    world: World
    acme: Organization
    other: Organization
    mine: Connection
    theirs: Connection

    @property
    def names_of_theirs(self) -> dict[str, str]:
        """Every name by which somebody might look for an organization or a connection, with the other's values."""
        values = {"organization_id": self.other.id, "org_id": self.other.id, "connection_id": self.theirs.id,
                  "connection": self.theirs.id, "slug": self.other.slug, "domain": "other.test"}  # fmt: skip
        return {name: values.get(name, self.other.slug) for name in NAMES}

    def owners(self) -> dict[str, str]:
        """To whom each connection belongs."""
        query = "SELECT organization_id FROM connections WHERE id = :id"
        return {one.id: self.world.value(query, id=one.id) for one in (self.mine, self.theirs)}

    def where_is(self, address: str) -> list[str]:
        """In how many organizations a person is: only Acme."""
        query = "SELECT m.organization_id FROM members m JOIN users u ON u.id = m.user_id WHERE u.email = :email"
        return [self.world.value(query, email=address)]


@pytest.fixture
def two(world: World) -> Two:
    acme, other = world.organization(), world.organization("Other", domain="other.test")
    return Two(world, acme, other, world.saml(acme), world.saml(other))


def fields(two: Two, visitor: Visitor) -> None:
    answer = two.world.response(two.mine, request_id_of(two.world.depart(visitor)))
    form = {"SAMLResponse": answer, **two.names_of_theirs, "RelayState": two.theirs.id}
    visitor.follow(visitor.post(f"/sso/saml/{two.mine.id}/acs", form, **FROM_THERE))


def relay_state(two: Two, visitor: Visitor) -> None:
    answer = two.world.response(two.mine, request_id_of(two.world.depart(visitor)))
    for state in (two.theirs.id, f"/sso/saml/{two.theirs.id}/acs", f"organization_id={two.other.id}"):
        visitor.follow(two.world.post_response(visitor, two.mine, answer, RelayState=state))


def query(two: Two, visitor: Visitor) -> None:
    answer = two.world.response(two.mine, request_id_of(two.world.depart(visitor)))
    asked = "&".join(f"{name}={value}" for name, value in two.names_of_theirs.items())
    visitor.follow(visitor.post(f"/sso/saml/{two.mine.id}/acs?{asked}", {"SAMLResponse": answer}, **FROM_THERE))


def headers(two: Two, visitor: Visitor) -> None:
    answer = two.world.response(two.mine, request_id_of(two.world.depart(visitor)))
    named = {f"X_{name.title()}": value for name, value in two.names_of_theirs.items()}
    named |= {"X_Forwarded_Host": "other.test", "X_Original_URL": f"/sso/saml/{two.theirs.id}/acs"}
    visitor.follow(visitor.post(f"/sso/saml/{two.mine.id}/acs", {"SAMLResponse": answer}, **named, **FROM_THERE))


def attributes(two: Two, visitor: Visitor) -> None:
    usual = [("email", ["ann@acme.test"]), ("firstName", ["Ann"]), ("lastName", ["Lee"])]
    said = [*usual, *((name, [value]) for name, value in two.names_of_theirs.items())]
    two.world.saml_sign_in(visitor, two.mine, attributes=said)


def sign_in_form(two: Two, visitor: Visitor) -> None:
    page = visitor.get("/login")
    form = {**two.names_of_theirs, **page.form("/login/sso").filled(email="ann@acme.test"), "organization": ""}
    sent = visitor.post("/login/sso", form, start=page)
    answer = two.world.response(two.mine, request_id_of(sent.location or ""))
    visitor.follow(two.world.post_response(visitor, two.mine, answer))


@pytest.mark.parametrize(
    "way", [fields, relay_state, query, headers, attributes, sign_in_form], ids=lambda w: w.__name__
)
def test_whatever_is_said_the_path_gives_the_connection_and_it_gives_the_organization(
    two: Two, way: Callable[[Two, Visitor], None]
) -> None:
    visitor = two.world.visitor()
    before = two.owners()
    way(two, visitor)
    assert "Acme" in visitor.get("/").text
    assert two.where_is("ann@acme.test") == [two.acme.id]
    assert two.world.value("SELECT count(*) FROM sessions WHERE organization_id = :id", id=two.other.id) == 0
    assert two.owners() == before == {two.mine.id: two.acme.id, two.theirs.id: two.other.id}


def test_claims_and_parameters_of_openid_connect_move_nothing_either(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain="other.test")
    idp = Provider(claims={"org_id": other.id, "organization": "other", "hd": "other.test", "tid": other.id})
    idp.told = {"organization_id": other.id}
    world.answering(idp)
    connection = world.oidc(acme, op.provider(), client_id=op.CLIENT_ID)
    visitor = world.visitor()
    visitor.follow(come_back(world, visitor, connection, idp, organization_id=other.id, connection_id="other"))
    assert "Acme" in visitor.get("/").text
    assert world.value("SELECT organization_id FROM sessions") == acme.id
    assert world.value("SELECT organization_id FROM connections") == acme.id


def test_forms_of_owners_and_visitors_of_the_portal_move_nothing(two: Two) -> None:
    world = two.world
    world.person("olga@acme.test", two.acme, role=Role.OWNER)
    owner = world.visitor()
    world.sign_in(owner, "olga@acme.test")
    administrator = portal.inside(world, two.acme)
    before = two.owners()
    for visitor, start in ((owner, "/settings/security"), (administrator, "/portal"), (administrator, "/portal/test")):
        for form in visitor.follow(visitor.get(start)).forms:
            if form.method == "POST" and "logout" not in form.action and "close" not in form.action:
                visitor.post(form.action, {**form.fields, **two.names_of_theirs})
    after = two.owners()
    assert after == before
    drafts = world.value("SELECT count(*) FROM connections WHERE organization_id = :id", id=two.other.id)
    assert drafts == 1


def test_no_code_gives_a_connection_to_another_organization() -> None:
    """`organization_id` is written where a connection is made, and never changed."""
    changing = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "change":
                table = node.args[1] if len(node.args) > 1 else None
                written = {keyword.arg for keyword in node.keywords}
                if isinstance(table, ast.Name) and table.id == "Connection" and "organization_id" in written:
                    changing.append(path.name)
    assert changing == []
