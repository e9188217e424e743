"""A rescue link from the operator: for an owner, once, within half an hour, told to every owner."""

from urllib.parse import urlsplit

import pytest
from support.enforced import enforced
from support.mailbox import text_of
from support.visitor import Visitor
from world import BASE_URL, World

from llmops.errors import RescueNeedsOwner
from llmops.organizations import organization
from llmops.organizations.roles import Role
from llmops.signin import rescue


def issued(world: World, email: str = "olga@acme.test") -> str:
    """The path that the command prints, with its token."""
    with world.database.writing() as db:
        acme = organization.with_slug(db, "acme")
        url = rescue.issue(db, world.site.sealer, world.settings, acme, email=email, by="operator", now=world.clock.now)
    return url.removeprefix(BASE_URL)


def used(visitor: Visitor, path: str) -> int:
    """Open it and press the button; the status of the last answer."""
    page = visitor.follow(visitor.get(path))
    return visitor.submit(page, "/login/rescue").status if page.status == 200 else page.status


@pytest.mark.requirement("TEN-19")
def test_an_owner_gets_in_with_nothing_but_the_link(world: World) -> None:
    made = enforced(world)
    world.sql("UPDATE connections SET state = 'off'")
    world.sql("DELETE FROM passwords")
    visitor = world.visitor()
    page = visitor.follow(visitor.get(issued(world)))
    assert made.owner.email in page.text
    assert world.counts()["sessions"] == 1  # the sign-in that was needed to require SSO
    landed = visitor.follow(visitor.submit(page, "/login/rescue"))
    assert "your role: Owner" in landed.text
    assert "Rescue link" in visitor.get("/settings/profile").text


@pytest.mark.requirement("SES-14")
def test_opening_it_spends_nothing_and_the_token_leaves_the_address(world: World) -> None:
    enforced(world)
    path = issued(world)
    assert world.visitor().get(path).location == f"{BASE_URL}/login/rescue"
    scanner, visitor = world.visitor(), world.visitor()
    scanner.follow(scanner.get(path))
    page = visitor.follow(visitor.get(path))
    assert urlsplit(page.url).query == ""
    assert visitor.submit(page, "/login/rescue").status == 303


@pytest.mark.requirement("SES-13", "TEN-19")
def test_it_works_once_and_the_newest_only(world: World) -> None:
    enforced(world)
    first, second = issued(world), issued(world)
    assert used(world.visitor(), first) == 410
    assert used(world.visitor(), second) == 303
    assert used(world.visitor(), second) == 410


@pytest.mark.requirement("TEN-19", "TST-14")
@pytest.mark.parametrize(("seconds", "status"), [(-1, 303), (0, 410)])
def test_it_works_for_half_an_hour_to_the_second(world: World, seconds: int, status: int) -> None:
    enforced(world)
    path = issued(world)
    world.clock.advance(minutes=30, seconds=seconds)
    assert used(world.visitor(), path) == status


@pytest.mark.requirement("TEN-19")
def test_the_session_lasts_an_hour(world: World) -> None:
    enforced(world)
    visitor = world.visitor()
    used(visitor, issued(world))
    world.clock.advance(minutes=59, seconds=59)
    assert visitor.get("/").status == 200
    world.clock.advance(seconds=1)
    assert visitor.get("/").location.endswith("/login")


@pytest.mark.requirement("TEN-19")
def test_every_owner_is_told_and_both_moments_are_recorded(world: World) -> None:
    made = enforced(world)
    world.person("eve@acme.test", made.organization, role=Role.OWNER)
    used(world.visitor(), issued(world))
    for address in ("olga@acme.test", "eve@acme.test"):
        letter = world.letters(address)[-1]
        assert "a rescue link was used" in letter["Subject"]
        assert "olga@acme.test" in text_of(letter)
    who = "SELECT actor FROM audit_entries WHERE action = :action"
    assert world.value(who, action="sign_in.rescue_issued") == "operator"
    assert world.value(who, action="sign_in.rescue_used") == made.owner.id


@pytest.mark.requirement("TEN-19", "TEN-20")
@pytest.mark.parametrize("who", ["ann@acme.test", "nobody@acme.test", "pat@other.test", "suspended@acme.test"])
def test_only_an_active_owner_of_the_organization_is_rescued(world: World, who: str) -> None:
    made = enforced(world)
    world.person("ann@acme.test", made.organization, role=Role.ADMIN)
    world.person("pat@other.test", world.organization("Other", domain=None), role=Role.OWNER)
    world.person("suspended@acme.test", made.organization, role=Role.OWNER)
    world.sql("UPDATE users SET suspended_at = :now WHERE email LIKE 'suspended%'", now=world.clock.now)
    with pytest.raises(RescueNeedsOwner):
        issued(world, who)


@pytest.mark.requirement("TEN-19")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE members SET role = 'admin'",
        "UPDATE members SET status = 'removed'",
        "UPDATE users SET suspended_at = '2026-01-01 00:00:00'",
        "UPDATE organizations SET suspended_at = '2026-01-01 00:00:00'",
    ],
)
def test_who_is_no_owner_any_more_is_not_rescued(world: World, change: str) -> None:
    enforced(world)
    visitor = world.visitor()
    page = visitor.follow(visitor.get(issued(world)))
    world.sql(change)
    assert visitor.submit(page, "/login/rescue").status == 410
    assert world.value("SELECT count(*) FROM sessions WHERE method = 'rescue'") == 0


@pytest.mark.requirement("SES-12")
def test_who_has_no_password_does_sensitive_things_for_ten_minutes(world: World) -> None:
    enforced(world)
    world.sql("DELETE FROM passwords")
    visitor = world.visitor()
    used(visitor, issued(world))
    page = visitor.get("/settings/profile/two-step")
    world.clock.advance(minutes=10)
    codes = visitor.submit(page, "/settings/profile/two-step/codes")
    assert codes.status == 200
    world.clock.advance(seconds=1)
    asked = visitor.follow(visitor.submit(page, "/settings/profile/two-step/codes"))
    assert "Ask whoever runs this server for another one" in asked.text
