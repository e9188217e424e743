"""A pasted list of addresses: how it is parted, and what is said about each."""

import pytest
from world import World

from llmops.organizations import invitees
from llmops.organizations.invitees import Invitee
from llmops.organizations.organization import Organization


def read(world: World, acme: Organization, pasted: str) -> list[Invitee]:
    with world.database.reading() as db:
        return list(invitees.read(db, acme.id, pasted, personal=("mail.example",), now=world.clock.now))


@pytest.mark.parametrize(
    "pasted",
    [
        "ann@acme.test,bo@acme.test", "ann@acme.test bo@acme.test", "ann@acme.test\r\nbo@acme.test\r\n",
        "ann@acme.test; bo@acme.test", " ann@acme.test ,\n\n,bo@acme.test,", "Ann@ACME.test ann@acme.test bo@acme.test",
        'Ann Lee <ann@acme.test>, "Ray, Bo" <bo@acme.test>', "Ann Lee <ann@acme.test>\nBo <bo@acme.test>",
    ],
)  # fmt: skip
def test_every_way_to_part_a_list_is_read(world: World, pasted: str) -> None:
    found = [one for one in read(world, world.organization(), pasted) if not one.problem]
    assert [one.email for one in found] == ["ann@acme.test", "bo@acme.test"]


@pytest.mark.parametrize("typed", ["ann", "@acme.test", "ann@acme", "ann@@acme.test", "a@[127.0.0.1]", "x" * 300])
def test_what_is_no_address_is_said_and_kept_short(world: World, typed: str) -> None:
    (one,) = read(world, world.organization(), typed)
    assert "does not look like" in one.problem
    assert one.email == typed[:100]


def test_members_and_the_invited_are_not_invited_again_but_the_removed_are(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme)
    assert "already" in read(world, acme, "ann@acme.test")[0].problem
    world.sql("UPDATE members SET status = 'suspended'")
    assert "already" in read(world, acme, "ann@acme.test")[0].problem
    world.sql("UPDATE members SET status = 'removed'")
    assert read(world, acme, "ann@acme.test") == [Invitee("ann@acme.test")]


@pytest.mark.requirement("TEN-20")
def test_members_of_another_organization_are_strangers(world: World) -> None:
    world.person("ann@acme.test", world.organization("Other", domain=None))
    assert read(world, world.organization(), "ann@acme.test") == [Invitee("ann@acme.test")]


def test_addresses_from_outside_are_pointed_out(world: World) -> None:
    acme = world.organization()
    found = read(world, acme, "a@acme.test b@sub.acme.test c@else.test d@gmail.com e@mail.example")
    assert [one.warning for one in found] == [
        "", "outside your domains", "outside your domains", "a personal address", "a personal address",
    ]  # fmt: skip
    world.sql("UPDATE organizations SET sso_enforced_at = :now", now=world.clock.now)
    assert all("will not let them in" in one.warning for one in read(world, acme, "c@else.test d@gmail.com"))


def test_without_a_domain_only_personal_addresses_are_odd(world: World) -> None:
    found = read(world, world.organization(domain=None), "c@else.test d@gmail.com")
    assert [one.warning for one in found] == ["", "a personal address"]
