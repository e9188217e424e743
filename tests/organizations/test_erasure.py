"""Erasing a person: nothing that names them stays where it need not, and the next assertion does not make them anew."""

import re

import pytest
from sqlalchemy import select
from support.enforced import company, enforce, second_factor
from support.visitor import Visitor
from world import PASSWORD, World, error_of

from llmops.broker.connections import Connection
from llmops.db.tables import Base
from llmops.errors import BreakGlassNeeded, Failure, LastOwner, PersonUnknown, ReasonMissing
from llmops.organizations import erasure
from llmops.organizations.erasure import Erased
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role

pytestmark = pytest.mark.requirement("SEC-11")
ANN = "ann@acme.test"


def erase(world: World, address: str = ANN, reason: str = "asked for it") -> Erased:
    with world.database.writing() as db:
        return erasure.erase(db, address, by="operator", reason=reason, now=world.clock.now)


def refusal(world: World, failure: type[Failure], **arguments: str) -> None:
    """It is refused, and nothing is changed."""
    before = dump(world)
    with pytest.raises(failure):
        erase(world, **arguments)
    assert dump(world) == before


def dump(world: World, *but: str) -> str:
    """Every cell of the database, but for some tables."""
    with world.database.reading() as db:
        tables = [table for table in Base.metadata.sorted_tables if table.name not in but]
        return "\n".join(str(cell) for table in tables for row in db.execute(select(table)) for cell in row)


@pytest.fixture
def acme(world: World) -> Organization:
    acme = world.organization()
    world.person("olga@acme.test", acme, role=Role.OWNER)
    return acme


@pytest.fixture
def connection(world: World, acme: Organization) -> Connection:
    return world.saml(acme)


@pytest.fixture
def ann(world: World, connection: Connection) -> Visitor:
    """Came through single sign-on, chose a password, has a second factor and a session."""
    visitor = world.visitor(peer="203.0.113.77", **{"User-Agent": "Ann's own Firefox/1 Linux"})
    world.saml_sign_in(visitor, connection, ANN)
    return visitor


def test_nothing_names_her_any_more_outside_the_log_and_short_lived_traces(world: World, ann: Visitor) -> None:
    user_id = world.value("SELECT id FROM users WHERE email = :email", email=ANN)
    with world.database.reading() as db:
        user = erasure.users.get(db, user_id)
    assert user
    second_factor(world, user)
    assert all(text in dump(world) for text in (ANN, "203.0.113.77"))
    assert {"Ann", "Lee", "Firefox/1"} <= set(re.split(r"[^\w+/=-]+", dump(world)))
    told = erase(world)
    assert (told.user_id, told.memberships, told.identities, told.sessions) == (user_id, 1, 1, 1)
    left = dump(world, "audit_entries", "jobs")
    assert not [text for text in (ANN, "203.0.113.77") if text in left]
    # whole words: what is sealed may hold any three letters in a row
    assert not {"Ann", "Lee", "Firefox/1"} & set(re.split(r"[^\w+/=-]+", left))
    assert world.counts()["second_factors"] == world.counts()["recovery_codes"] == 0
    assert "Erased\nperson" in left


def test_her_session_and_her_password_are_over(world: World, acme: Organization, ann: Visitor) -> None:
    with world.database.writing() as db:
        user_id = db.execute(select(erasure.User.id).where(erasure.User.email == ANN)).scalar_one()
        erasure.passwords.store(
            db, user_id, password_hash=erasure.passwords.hashed(PASSWORD, context=()), now=world.clock.now
        )
    erase(world)
    assert ann.get("/").status == 303
    assert world.visitor().get("/").status == 303
    assert world.sign_in(world.visitor(), ANN).status == 401


@pytest.mark.requirement("TEN-15")
def test_the_next_assertion_does_not_make_her_anew(world: World, connection: Connection, ann: Visitor) -> None:
    erase(world)
    before = world.counts()["users"]
    for subject in (ANN, "another subject"):  # by her subject, and by her address alone
        page = world.saml_sign_in(world.visitor(), connection, ANN, subject=subject)
        assert error_of(page) == "member_removed"
    again = world.saml_sign_in(world.visitor(), connection, "ann.new@acme.test", subject=ANN)
    assert error_of(again) == "member_removed"
    assert world.counts()["users"] == before
    assert "Bo Oh" in world.saml_sign_in(world.visitor(), connection, "bo@acme.test", names=("Bo", "Oh")).text


@pytest.mark.requirement("TEN-15")
def test_an_administrators_invitation_lifts_that(world: World, connection: Connection, ann: Visitor) -> None:
    erase(world)
    owner = world.visitor()
    world.sign_in(owner, "olga@acme.test")
    owner.submit(owner.get("/settings/team/invite"), "/settings/team/invite", emails=ANN, role="member")
    visitor = world.visitor()
    page = world.open(visitor, world.link(ANN, "/invitation"))
    names = {"first_name": "Ann", "last_name": "Again"}
    assert visitor.follow(visitor.submit(page, "/invitation", **names, password=PASSWORD)).status == 200
    assert "Ann" in world.saml_sign_in(world.visitor(), connection, ANN, names=("Ann", "Again")).text


def test_another_organization_is_not_concerned(world: World, ann: Visitor) -> None:
    other = world.organization("Other", domain="other.test")
    world.person("ann@other.test", other)
    erase(world)
    assert "Pat Doe" in world.sign_in(world.visitor(), "ann@other.test").text


def test_her_organizations_log_says_that_somebody_was_erased_by_whom_and_why(world: World, ann: Visitor) -> None:
    told = erase(world)
    query = "SELECT count(*) FROM audit_entries WHERE action = 'person.erased' AND target = :id AND actor = 'operator'"
    assert world.value(query, id=told.user_id) == 2  # the organization's, and the installation's
    with world.database.reading() as db:
        facts = db.execute(select(erasure.log.Entry.facts).where(erasure.log.Entry.action == "person.erased"))
        assert {str(fact) for (fact,) in facts} == {"{'reason': 'asked for it'}"}


@pytest.mark.requirement("TEN-16")
def test_the_last_owner_stays(world: World, acme: Organization) -> None:
    refusal(world, LastOwner, address="olga@acme.test")
    world.person("second@acme.test", acme, role=Role.OWNER)
    erase(world, "olga@acme.test")
    assert world.value("SELECT count(*) FROM members WHERE role = 'owner'") == 1


@pytest.mark.requirement("TEN-16")
def test_the_last_emergency_owner_stays_while_single_sign_on_is_compulsory(world: World) -> None:
    made = company(world)
    enforce(world, made.organization)
    world.person("second@acme.test", made.organization, role=Role.OWNER)
    refusal(world, BreakGlassNeeded, address=made.owner.email)


def test_a_stranger_and_a_missing_reason_are_refused(world: World, ann: Visitor) -> None:
    refusal(world, PersonUnknown, address="nobody@acme.test")
    refusal(world, ReasonMissing, reason="  ")


def test_two_who_had_one_address_in_turn_can_both_be_erased(world: World, acme: Organization) -> None:
    for _ in range(2):
        world.person("temp@acme.test", acme)
        erase(world, "temp@acme.test")
    assert world.value("SELECT count(*) FROM users WHERE first_name = 'Erased'") == 2
