"""The inviting side: a list with mistakes in it, letters, sending again, revoking, reminding, limits."""

from datetime import timedelta

import pytest
from support.page import Page
from support.visitor import Visitor
from world import World

from llmops.organizations import invitations
from llmops.organizations.roles import Role

INVITE = "/settings/team/invite"


@pytest.fixture
def owner(world: World) -> Visitor:
    """The browser of Acme's owner."""
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    visitor = world.visitor()
    world.sign_in(visitor, "owner@acme.test")
    return visitor


def invite(visitor: Visitor, emails: str = "ann@acme.test", role: str = "member") -> Page:
    return visitor.submit(visitor.get(INVITE), INVITE, emails=emails, role=role)


def press(visitor: Visitor, verb: str) -> Page:
    """The button beside the only open invitation."""
    page = visitor.get("/settings/team")
    (action,) = [form.action for form in page.forms if form.action.endswith(f"/{verb}")]
    return visitor.submit(page, action)


def test_many_are_invited_at_once(world: World, owner: Visitor) -> None:
    page = invite(owner, "ann@acme.test, bo@acme.test\ncleo@acme.test", "admin")
    assert "3 invitations are on the way" in page.text
    assert world.value("SELECT count(*) FROM invitations WHERE role = 'admin'") == 3
    assert [str(letter["To"]) for letter in world.letters()] == ["ann@acme.test", "bo@acme.test", "cleo@acme.test"]
    letter = world.letters("ann@")[0]
    assert letter["Subject"] == "Acme: Pat Doe invites you to LLM Ops"
    body = letter.get_body(preferencelist=("plain",))
    assert body is not None
    assert "as an admin" in body.get_content()
    assert "1 December 2026" in body.get_content()
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'invitation.sent'") == 3


@pytest.mark.requirement("PWD-12", "SES-13")
def test_no_link_is_stored_and_none_is_shown_twice(world: World, owner: Visitor) -> None:
    page = invite(owner)
    copied = page.document.xpath("string(//div[@class='copy-box']/code)")
    assert copied.startswith("https://llm-ops.test/invitation?token=")
    secret = copied.partition("token=")[2]
    assert len(world.value("SELECT token_hash FROM invitations")) == 64
    assert secret not in world.value("SELECT token_hash FROM invitations")
    assert secret not in owner.get("/settings/team").html
    assert secret not in str(world.value("SELECT facts FROM audit_entries WHERE action = 'invitation.sent'"))


def test_mistakes_are_named_and_the_good_ones_offered_again(world: World, owner: Visitor) -> None:
    page = invite(owner, "ann@acme.test, nonsense, owner@acme.test", "admin")
    assert page.status == 422
    assert "nonsense : That does not look like an e-mail address" in page.text
    assert "owner@acme.test : That person is a member or invited already" in page.text
    assert world.counts()["invitations"] == 0
    form = page.form(INVITE)
    assert (str(form.fields["emails"]).strip(), form.fields["role"]) == ("ann@acme.test", "admin")
    assert "One invitation is on the way" in owner.submit(page, INVITE).text


def test_an_odd_address_passes_once_its_warning_was_seen(world: World, owner: Visitor) -> None:
    page = invite(owner, "ann@else.test")
    assert page.status == 422
    assert "ann@else.test : outside your domains" in page.text
    another = owner.submit(page, INVITE, emails="ann@else.test bo@else.test")
    assert another.status == 422
    assert world.counts()["invitations"] == 0
    assert owner.submit(another, INVITE).status == 200
    assert world.counts()["invitations"] == 2


@pytest.mark.parametrize("emails", ["", " ,;\n", " ".join(f"p{number}@acme.test" for number in range(101))])
def test_a_list_has_one_to_a_hundred(world: World, owner: Visitor, emails: str) -> None:
    assert invite(owner, emails).status == 422
    assert world.counts()["invitations"] == 0


@pytest.mark.requirement("PWD-12")
@pytest.mark.parametrize("role", ["owner", "root", ""])
def test_an_invitation_makes_nobody_an_owner(world: World, owner: Visitor, role: str) -> None:
    assert invite(owner, role=role).status in (400, 403)
    assert world.counts()["invitations"] == 0
    assert world.letters() == []


@pytest.mark.requirement("PWD-12")
def test_a_member_invites_nobody(world: World, owner: Visitor) -> None:
    world.sql("UPDATE members SET role = 'member'")
    token = str(owner.get("/settings/profile").form("/logout").fields["csrf_token"])
    assert owner.get(INVITE).status == 403
    assert owner.post(INVITE, {"csrf_token": token, "emails": "ann@acme.test", "role": "member"}).status == 403
    assert world.counts()["invitations"] == 0
    assert "Invite people" not in owner.get("/settings/team").text


@pytest.mark.requirement("SES-13")
def test_sending_again_makes_the_old_link_void_and_gives_seven_days(world: World, owner: Visitor) -> None:
    invite(owner)
    old = world.link("ann@acme.test", "/invitation")
    world.clock.advance(days=8)
    world.sign_in(owner, "owner@acme.test")
    assert "Expired" in owner.get("/settings/team").text
    assert press(owner, "resend").status == 200
    new = world.link("ann@acme.test", "/invitation")
    stranger = world.visitor()
    assert world.open(stranger, old).status == 410
    assert world.open(stranger, new).status == 200
    world.clock.advance(days=7)
    assert world.open(stranger, new).status == 410


def test_an_expired_one_is_replaced_by_inviting_again(world: World, owner: Visitor) -> None:
    invite(owner)
    world.clock.advance(days=8)
    world.sign_in(owner, "owner@acme.test")
    assert invite(owner).status == 200
    assert world.value("SELECT count(*) FROM invitations WHERE revoked_at IS NULL") == 1


@pytest.mark.requirement("PWD-12")
def test_a_revoked_invitation_opens_nothing(world: World, owner: Visitor) -> None:
    invite(owner)
    link = world.link("ann@acme.test", "/invitation")
    assert "is revoked" in owner.follow(press(owner, "revoke")).text
    assert world.open(world.visitor(), link).status == 410
    assert "ann@acme.test" not in owner.get("/settings/team").text
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'invitation.revoked'") == 1


@pytest.mark.requirement("TEN-20")
@pytest.mark.parametrize("verb", ["resend", "revoke"])
@pytest.mark.parametrize("over", ["accepted_at", "revoked_at"])
def test_what_is_over_is_not_there(world: World, owner: Visitor, verb: str, over: str) -> None:
    invite(owner)
    page = owner.get("/settings/team")
    world.sql(f"UPDATE invitations SET {over} = :now", now=world.clock.now)
    (action,) = [form.action for form in page.forms if form.action.endswith(f"/{verb}")]
    assert owner.submit(page, action).status == 404


@pytest.mark.requirement("PWD-16")
def test_one_address_gets_five_letters_a_day_whoever_sends_them(world: World, owner: Visitor) -> None:
    for number in range(5):
        other = world.organization(f"Company {number}", domain=None)
        world.person(f"boss@company{number}.test", other, role=Role.OWNER)
        boss = world.visitor()
        world.sign_in(boss, f"boss@company{number}.test")
        assert invite(boss).status == 200
    stopped = invite(owner)
    assert stopped.status == 429
    assert int(stopped.headers["retry-after"]) > 0
    assert "ann@acme.test" in str(stopped.form(INVITE).fields["emails"])
    assert len(world.letters("ann@acme.test")) == 5
    assert world.value("SELECT count(*) FROM invitations") == 5


@pytest.mark.requirement("PWD-16")
def test_one_organization_sends_so_many_a_day(world: World, owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_A_DAY", 3)
    assert invite(owner, "a@acme.test b@acme.test").status == 200
    assert invite(owner, "c@acme.test d@acme.test").status == 429
    assert world.counts()["invitations"] == 2


@pytest.mark.requirement("PWD-16", "WEB-06")
def test_names_in_the_letter_carry_no_addresses(world: World, owner: Visitor) -> None:
    world.sql("UPDATE organizations SET name = 'Win https://evil.test/now <b>'")
    world.sql("UPDATE users SET last_name = 'www.evil.test'")
    invite(owner)
    letter = world.letters("ann@acme.test")[0].as_string()
    assert "evil.test" not in letter
    assert "<b>" not in letter.partition("text/html")[2]


# --- The reminder ----------------------------------------------------------------------------------------------------


def remind(world: World) -> int:
    with world.database.writing() as db:
        return invitations.remind_due(db, world.site.sealer, world.settings, now=world.clock.now)


def test_who_does_not_answer_is_reminded_once(world: World, owner: Visitor) -> None:
    invite(owner)
    old = world.link("ann@acme.test", "/invitation")
    world.clock.advance(days=3, seconds=-1)
    assert remind(world) == 0
    world.clock.advance(seconds=1)
    assert (remind(world), remind(world)) == (1, 0)
    assert world.letters("ann@acme.test")[-1]["Subject"] == "Acme: your invitation is waiting"
    new = world.link("ann@acme.test", "/invitation")
    assert world.open(world.visitor(), old).status == 410
    assert world.open(world.visitor(), new).status == 200


@pytest.mark.requirement("PWD-12")
@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE invitations SET accepted_at = :now", "UPDATE invitations SET revoked_at = :now",
        "UPDATE invitations SET expires_at = :now", "UPDATE members SET role = 'member', joined_at = :now",
        "UPDATE users SET suspended_at = :now",
    ],
)  # fmt: skip
def test_nobody_is_reminded_of_what_is_void(world: World, owner: Visitor, meanwhile: str) -> None:
    invite(owner)
    world.clock.advance(days=4)
    world.sql(meanwhile, now=world.clock.now)
    assert remind(world) == 0
    assert len(world.letters("ann@acme.test")) == 1


def test_seven_days_are_seven_days() -> None:
    assert timedelta(days=7) == invitations.LIFE
