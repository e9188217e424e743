"""Who is let in by an identity provider's word: every combination of what can be the case, against the rules (TST-11).

The rules are written down once more in `expected`, in the order of the requirements and not of the code.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from world import World

from llmops.accounts import identities, passwords, users
from llmops.broker.connections import Connection
from llmops.broker.profiles import Profile
from llmops.db.tables import Db, change, find
from llmops.errors import Failure
from llmops.organizations import members, organization
from llmops.organizations.domains import Domain
from llmops.organizations.members import Member
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.provisioning import jit
from llmops.signin import enforcement

PROFILE = Profile("00u1", "ann@acme.test", True, "Ann", "Lee")


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    account: str  # none, verified, unverified, suspended
    membership: str  # none, active, suspended, removed
    role: Role
    linked: bool
    domain: bool
    vouched: bool | None
    proven: bool
    enforced: bool


def cases() -> Iterator[Case]:
    """All that can be: no membership or link without an account, no link without a membership."""
    for account, membership, role, *rest in itertools.product(
        ("none", "verified", "unverified", "suspended"),
        ("none", "active", "suspended", "removed"),
        Role,
        (False, True),
        (False, True),
        (True, None, False),
        (False, True),
        (False, True),
    ):
        case = Case(account, membership, role, *rest)
        bare = account == "none" or membership == "none"
        if (account == "none" and membership != "none") or (bare and (case.linked or role != Role.MEMBER)):
            continue
        yield case


def expected(case: Case) -> str:
    """What the requirements say, enforcement or not: it takes passwords away and lets nobody in."""
    if not case.domain:
        return "email_outside_domains"  # TEN-05
    if case.vouched is False:
        return "email_not_verified"  # OIDC-17
    if case.account == "none":
        return "created"
    if case.membership == "none":
        return "account_elsewhere"  # TEN-09
    if case.account == "suspended":
        return "account_suspended"
    if case.membership != "active":
        return f"member_{case.membership}"  # TEN-15
    if case.linked:
        return "known"  # TEN-04
    if case.account == "unverified":
        return "taken over"  # TEN-08
    if not case.proven and (case.role != Role.MEMBER or case.vouched is None):
        return "link_proof_needed"  # TEN-10, OIDC-17
    return "linked"


def arrange(world: World, db: Db, acme: Organization, connection: Connection, case: Case) -> str | None:
    """Make it so; returns the account's id."""
    now = world.clock.now
    if not case.domain:
        change(db, Domain, {"organization_id": acme.id}, verified_at=None)
    if case.enforced:
        organization.enforce_sso(db, acme.id, now=now)
    if case.account == "none":
        return None
    verified = case.account != "unverified"
    user = users.create(db, PROFILE.email, first_name="Ann", last_name="Lee", verified=verified, now=now)
    if case.account == "suspended":
        change(db, users.User, {"id": user.id}, suspended_at=now)
    passwords.store(db, user.id, password_hash="x", now=now)
    if case.membership != "none":
        members.join(db, acme, user.id, role=case.role, how="operator", now=now)
        change(db, Member, {"user_id": user.id}, status=case.membership)
    if case.linked:
        identities.link(db, connection.id, PROFILE.subject, user_id=user.id, now=now)
    return user.id


def decided(world: World, db: Db, acme: Organization, connection: Connection, case: Case, user_id: str | None) -> str:
    """What the product says."""
    try:
        welcome = jit.welcome(
            db, acme, connection.id, replace(PROFILE, email_verified=case.vouched), now=world.clock.now,
            ip="198.51.100.7", signed_in_as=user_id if case.proven else None,
        )  # fmt: skip
    except Failure as failure:
        return failure.code
    member = members.of(db, acme.id, welcome.user.id)
    assert member is not None
    assert member.role == (case.role if user_id else Role.MEMBER), "no assertion changes a role"
    if passwords.find(db, welcome.user.id) is None and user_id:
        return "taken over"
    return "created" if welcome.created else "linked" if welcome.linked else "known"


@pytest.mark.requirement("TST-11", "TEN-04", "TEN-05", "TEN-08", "TEN-09", "TEN-10", "TEN-15", "OIDC-17")
def test_every_combination_is_decided_as_the_rules_say(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    wrong = []
    for case in cases():
        with world.database.engine.connect() as db, db.begin() as transaction:
            user_id = arrange(world, db, acme, connection, case)
            links = len(identities.of_user(db, user_id)) if user_id else 0
            seen = decided(world, db, acme, connection, case, user_id)
            if seen != expected(case):
                wrong.append((case, seen, expected(case)))
            if seen.islower() and "_" in seen and user_id:
                assert len(identities.of_user(db, user_id)) == links, "a refusal links nothing"
            transaction.rollback()
    assert wrong == []
    assert len(list(cases())) > 1000


@pytest.mark.requirement("TST-11", "TEN-18")
def test_no_combination_leaves_a_password_where_sso_is_compulsory(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    for case in cases():
        same_otherwise = case.linked or case.proven or case.vouched is not True
        if not case.enforced or "none" in (case.account, case.membership) or same_otherwise:
            continue
        with world.database.engine.connect() as db, db.begin() as transaction:
            user_id = arrange(world, db, acme, connection, case)
            user = find(db, users.User, id=user_id)
            assert user is not None
            home = members.home_of(db, user.id)
            assert members.home_of(db, user.id, by_password=True) is None
            if case.domain or home is not None:
                assert enforcement.bound_by(db, user) is not None
            transaction.rollback()
