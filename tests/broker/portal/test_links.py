"""Links to the Admin Portal: one for each purpose, only a hash kept, dead when revoked."""

import pytest
from support import portal
from world import World

from llmops.broker.portal import links
from llmops.broker.portal.links import Intent, PortalLink
from llmops.db.tables import find
from llmops.errors import InvalidEmail, PortalLinkSpent


def state(world: World, link_id: str) -> str:
    with world.database.reading() as db:
        found = find(db, PortalLink, id=link_id)
    assert found is not None
    return links.state_of(found, now=world.clock.now)


@pytest.mark.requirement("ADM-01", "SES-13")
def test_only_a_keyed_hash_of_the_token_is_kept(world: World) -> None:
    made, path = portal.link(world, world.organization())
    secret = path.partition("token=")[2]
    assert len(secret) >= 43
    assert secret not in str(vars(made))
    assert made.token_hash == world.site.sealer.hashed("portal.link", secret)


@pytest.mark.requirement("ADM-01")
def test_a_new_link_revokes_the_one_before_for_the_same_purpose_only(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain=None)
    first, _ = portal.link(world, acme)
    renewal, _ = portal.link(world, acme, intent=Intent.RENEW_CERTIFICATE)
    theirs, _ = portal.link(world, other)
    portal.link(world, acme)
    assert [state(world, made.id) for made in (first, renewal, theirs)] == ["revoked", "made", "made"]


def test_states_follow_what_happens_to_a_link(world: World) -> None:
    acme = world.organization()
    made, path = portal.link(world, acme)
    seen = [state(world, made.id)]
    with world.database.writing() as db:
        secret = path.partition("token=")[2]
        links.send(db, world.site.sealer, world.settings, made, secret, organization_name="Acme", now=world.clock.now)
    seen.append(state(world, made.id))
    portal.enter(world, path)
    seen.append(state(world, made.id))
    with world.database.writing() as db:
        links.done(db, made.id, now=world.clock.now)
    seen.append(state(world, made.id))
    assert seen == ["made", "sent", "opened", "done"]
    late, _ = portal.link(world, acme, intent=Intent.VIEW_ONLY, lives_days=1)
    world.clock.advance(days=1)
    assert state(world, late.id) == "expired"
    with world.database.writing() as db:
        assert links.revoke(db, acme.id, late.id, now=world.clock.now)
        assert not links.revoke(db, acme.id, late.id, now=world.clock.now)
    assert state(world, late.id) == "revoked"


@pytest.mark.requirement("ADM-09", "TEN-01")
def test_another_organizations_link_can_neither_be_read_nor_revoked(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain=None)
    made, _ = portal.link(world, acme)
    with world.database.writing() as db:
        assert not links.revoke(db, other.id, made.id, now=world.clock.now)
        with pytest.raises(PortalLinkSpent):
            links.get(db, other.id, made.id)
    assert state(world, made.id) == "made"


def test_a_contact_that_is_no_address_is_refused(world: World) -> None:
    with pytest.raises(InvalidEmail):
        portal.link(world, world.organization(), contacts=["it@acme.test\nbcc: x@evil.test"])


def test_each_contact_gets_the_letter_with_what_is_needed_and_until_when(world: World) -> None:
    acme = world.organization()
    made, path = portal.link(world, acme, contacts=["it@acme.test", "IT@acme.test", "two@acme.test"])
    with world.database.writing() as db:
        secret = path.partition("token=")[2]
        links.send(db, world.site.sealer, world.settings, made, secret, organization_name="Acme", now=world.clock.now)
    letters = world.letters()
    assert sorted(str(letter["To"]) for letter in letters) == ["it@acme.test", "two@acme.test"]
    text = letters[0].get_body(("plain",)).get_content()
    assert letters[0]["Subject"] == "Acme: Set up SSO"
    for wanted in (path, "admin rights", "DNS", "15 minutes", "1 December 2026, 12:00 UTC", "Sent by: LLM Ops"):
        assert wanted in text


def test_the_letter_names_the_member_who_made_the_link(world: World) -> None:
    acme = world.organization()
    owner = world.person("owner@acme.test", acme)
    with world.database.writing() as db:
        made, secret = links.make(
            db, world.site.sealer, acme.id, intent=Intent.SETUP_SSO, kind=None, contacts=["it@acme.test"],
            made_by=owner.id, now=world.clock.now,
        )  # fmt: skip
        links.send(db, world.site.sealer, world.settings, made, secret, organization_name="Acme", now=world.clock.now)
    body = world.letters("it@acme.test")[0].get_body(("plain",))
    assert body is not None
    assert "Sent by: Pat Doe, Acme" in body.get_content()


@pytest.mark.requirement("PWD-16")
def test_a_web_address_in_an_organizations_name_does_not_reach_the_letter(world: World) -> None:
    acme = world.organization()
    made, path = portal.link(world, acme)
    with world.database.writing() as db:
        secret = path.partition("token=")[2]
        name = "Acme https://evil.test/win"
        links.send(db, world.site.sealer, world.settings, made, secret, organization_name=name, now=world.clock.now)
    assert "evil.test" not in world.letters()[0].as_string()
