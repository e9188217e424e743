"""A second factor that is lost for good: the operator takes it away, its owner is told, every audit log says why."""

import pytest
from support.enforced import company, second_factor
from support.visitor import Visitor
from world import World

from llmops.accounts.users import User
from llmops.errors import Failure, PersonUnknown, ReasonMissing, SecondFactorMissing
from llmops.organizations import lost_factor, members
from llmops.organizations.lost_factor import Taken
from llmops.organizations.roles import Role

pytestmark = pytest.mark.requirement("PWD-14")
PAT = "pat@acme.test"
WHY = "known by telephone"


def take(world: World, address: str = PAT, reason: str = WHY) -> Taken:
    with world.database.writing() as db:
        return lost_factor.take(
            db, world.site.sealer, world.settings, address, by="operator", reason=reason, now=world.clock.now
        )


def asks_for_code(world: World, visitor: Visitor) -> bool:
    return world.sign_in(visitor, PAT).url.endswith("/login/code")


@pytest.fixture
def pat(world: World) -> User:
    """In two organizations, signed in, then with a second factor."""
    pat = world.person(PAT, world.organization())
    umbrella = world.organization("Umbrella", domain=None)
    with world.database.writing() as db:
        members.join(db, umbrella, pat.id, role=Role.MEMBER, how="operator", now=world.clock.now)
    world.sign_in(world.visitor(), PAT)
    second_factor(world, pat)
    return pat


def test_the_password_is_enough_again_and_what_was_open_is_closed(world: World, pat: User) -> None:
    assert asks_for_code(world, world.visitor())
    assert take(world) == Taken(pat.id, sessions=1, is_break_glass=False)
    assert world.counts()["second_factors"] == world.counts()["recovery_codes"] == 0
    assert not asks_for_code(world, world.visitor())


def test_the_person_is_told_and_each_organization_knows_why(world: World, pat: User) -> None:
    take(world)
    assert "switched off on request" in world.letters(PAT)[-1].as_string()
    removed = "FROM audit_entries WHERE action = 'second_factor.removed' AND CAST(facts AS TEXT) LIKE :why"
    assert world.value(f"SELECT count(DISTINCT organization_id) {removed}", why=f"%{WHY}%") == 2


def test_it_says_when_an_emergency_has_one_owner_less(world: World) -> None:
    assert take(world, company(world).owner.email).is_break_glass


@pytest.mark.parametrize(
    ("failure", "arguments"),
    [
        (ReasonMissing, {"reason": " "}),
        (PersonUnknown, {"address": "nobody@acme.test"}),
        (SecondFactorMissing, {"address": "olga@acme.test"}),
    ],
)
def test_a_mistake_takes_nothing_away(
    world: World, pat: User, failure: type[Failure], arguments: dict[str, str]
) -> None:
    world.person("olga@acme.test", world.organization("Third", domain=None))
    with pytest.raises(failure):
        take(world, **arguments)
    assert world.counts()["second_factors"] == 1
