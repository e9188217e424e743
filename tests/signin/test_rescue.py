"""A rescue link from the operator: for an owner, once, within half an hour, told to every owner."""

from urllib.parse import urlsplit

import pytest
from support.enforced import code, enforced
from support.mailbox import text_of
from support.visitor import Visitor
from world import BASE_URL, PASSWORD, World, error_of, request_id_of

from llmops.errors import RescueNeedsOwner
from llmops.organizations import organization
from llmops.organizations.roles import Role
from llmops.signin import rescue

NEW = "another long good sentence 99"


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
        assert "a rescue link was issued" in world.letters(address)[-2]["Subject"]
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
    page = visitor.get("/settings/security")
    world.clock.advance(minutes=10)
    made = visitor.submit(page, "/settings/security/links")
    assert made.status == 200
    world.clock.advance(seconds=1)
    asked = visitor.follow(visitor.submit(page, "/settings/security/links"))
    assert "Ask whoever runs this server for another one" in asked.text


@pytest.mark.requirement("TEN-19", "PWD-16")
def test_every_owner_is_told_when_it_is_issued(world: World) -> None:
    made = enforced(world)
    world.person("eve@acme.test", made.organization, role=Role.OWNER)
    world.person("ann@acme.test", made.organization, role=Role.ADMIN)
    world.sql("UPDATE users SET first_name = 'https://evil.test', last_name = 'Olga' WHERE id = :id", id=made.owner.id)
    before = len(world.letters())
    link = issued(world)
    letters = world.letters()[before:]
    assert sorted(str(letter["To"]) for letter in letters) == ["eve@acme.test", "olga@acme.test"]
    for letter in letters:
        assert "a rescue link was issued" in letter["Subject"]
        assert "Olga (olga@acme.test)" in text_of(letter)
        assert "evil" not in text_of(letter)
        assert link.partition("token=")[2] not in letter.as_string()


LASTING = [
    ("/settings/profile/password", {"present": PASSWORD, "new": NEW}),
    ("/settings/profile/password/first", {"new": NEW}),
    ("/settings/profile/two-step/begin", {}),
    ("/settings/profile/two-step/confirm", {"code": "000000"}),
    ("/settings/profile/two-step/codes", {}),
    ("/settings/profile/two-step/remove", {}),
    ("/settings/security/break-glass/name", {"user": "EVE"}),
    ("/settings/security/contacts", {"connection": "conn_x", "it_contacts": "mallory@acme.test"}),
    ("/settings/team/invite", {"emails": "mallory@acme.test", "role": "owner"}),
    ("/settings/team/invitations/inv_x/resend", {}),
    ("/settings/team/EVE/role", {"role": "owner"}),
    ("/settings/team/EVE/resume", {}),
]


@pytest.mark.requirement("TEN-19")
@pytest.mark.parametrize(("path", "fields"), LASTING, ids=[path for path, _ in LASTING])
def test_it_plants_no_way_in_that_lasts(world: World, path: str, fields: dict[str, str]) -> None:
    made = enforced(world)
    if path.endswith("/first"):
        world.sql("DELETE FROM passwords")
    eve = world.person("eve@acme.test", made.organization, role=Role.ADMIN)
    member_id = world.value("SELECT id FROM members WHERE user_id = :eve", eve=eve.id)
    visitor = world.visitor()
    used(visitor, issued(world))
    token = visitor.get("/settings/profile").form("/logout").fields["csrf_token"]
    before = world.counts()
    given = {name: text.replace("EVE", eve.id) for name, text in fields.items()}
    refused = visitor.post(path.replace("EVE", member_id), {**given, "csrf_token": token})
    assert (refused.status, "rescue_only_repairs" in refused.text) == (403, True)
    assert "sign in as usual" in refused.text
    assert world.counts() == before


@pytest.mark.requirement("TEN-19")
def test_a_secret_that_waits_is_not_shown_in_it(world: World) -> None:
    made = enforced(world)
    world.sql("UPDATE second_factors SET confirmed_at = NULL WHERE holder_id = :owner", owner=made.owner.id)
    visitor = world.visitor()
    used(visitor, issued(world))
    assert visitor.get("/settings/profile/two-step/set-up").status == 403


@pytest.mark.requirement("TEN-19")
def test_the_profile_says_so_and_shows_no_form_for_it(world: World) -> None:
    enforced(world)
    visitor = world.visitor()
    used(visitor, issued(world))
    for page in (visitor.get("/settings/profile"), visitor.get("/settings/profile/two-step")):
        assert "A rescue sign-in is for repairing single sign-on only" in page.text
        assert not [form.action for form in page.forms if "/password" in form.action or "/two-step" in form.action]


@pytest.mark.requirement("TEN-19", "TEN-10")
def test_it_connects_no_company_sign_in_to_its_owner(world: World) -> None:
    made = enforced(world)
    world.sql("DELETE FROM identities")
    visitor = world.visitor()
    used(visitor, issued(world))
    request_id = request_id_of(visitor.get("/login/sso/acme/start").location or "")
    answer = world.response(made.connection, request_id, address=made.owner.email, assertion_id="_later")
    landed = visitor.follow(world.post_response(visitor, made.connection, answer))
    assert error_of(landed) == "link_proof_needed"
    assert world.counts()["identities"] == 0


@pytest.mark.requirement("TEN-19")
def test_a_confirmation_makes_it_no_other_session(world: World) -> None:
    made = enforced(world)
    visitor = world.visitor()
    used(visitor, issued(world))
    world.clock.advance(minutes=11)
    page = visitor.get("/confirm?next=/settings/security")
    visitor.submit(page, "/confirm", password=PASSWORD, code=code(world, made.secret))
    assert world.value("SELECT method FROM sessions WHERE ended_at IS NULL AND method <> 'sso'") == "rescue"
