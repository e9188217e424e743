"""Role, suspend, resume, remove, leave: who may, what it ends, who is told, and the owner that always stays."""

import threading
from dataclasses import dataclass

import pytest
from support.enforced import break_glass, company, enforce, second_factor
from support.page import Page
from support.visitor import Visitor
from world import World, error_of

from llmops.organizations import members
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.signin import breakglass


@dataclass
class Team:
    """Acme with an owner, an admin and a member, and a browser of each."""

    world: World
    acme: Organization
    browsers: dict[str, Visitor]

    def id_of(self, who: str) -> str:
        """The member id behind an address's first part."""
        query = (
            "SELECT m.id FROM members m JOIN users u ON u.id = m.user_id"
            " WHERE u.email = :email AND m.organization_id = :acme"
        )
        return str(self.world.value(query, email=f"{who}@acme.test", acme=self.acme.id))

    def row(self, who: str, column: str) -> object:
        """One column of a membership."""
        return self.world.value(f"SELECT {column} FROM members WHERE id = :id", id=self.id_of(who))

    def act(self, actor: str, verb: str, who: str, **fields: str) -> Page:
        """Send the form as the page would, but whether or not the page shows it."""
        visitor = self.browsers[actor]
        token = visitor.get("/settings/profile").form("/logout").fields["csrf_token"]
        return visitor.post(f"/settings/team/{self.id_of(who)}/{verb}", {"csrf_token": str(token), **fields})

    def add(self, who: str, role: Role) -> None:
        """One more person, signed in."""
        self.world.person(f"{who}@acme.test", self.acme, role=role)
        self.browsers[who] = self.world.visitor()
        self.world.sign_in(self.browsers[who], f"{who}@acme.test")

    def is_in(self, who: str) -> bool:
        """Whether the browser's session still opens the dashboard."""
        return self.browsers[who].get("/").status == 200


@pytest.fixture
def team(world: World) -> Team:
    made = Team(world, world.organization(), {})
    for who in Role:
        made.add(who.value, who)
    return made


# --- Roles ---------------------------------------------------------------------------------------------------------


def test_an_admin_changes_a_role_on_the_persons_page(team: Team) -> None:
    visitor = team.browsers["admin"]
    page = visitor.click(visitor.get("/settings/team"), f"/settings/team/{team.id_of('member')}")
    done = visitor.follow(visitor.submit(page, f"/settings/team/{team.id_of('member')}/role", role="admin"))
    assert "The role is changed" in done.text
    assert team.row("member", "role") == "admin"


@pytest.mark.requirement("TEN-16")
@pytest.mark.parametrize(
    ("actor", "who", "role"),
    [
        ("admin", "member", "owner"), ("admin", "admin", "owner"), ("admin", "owner", "member"),
        ("member", "member", "admin"), ("member", "admin", "member"),
    ],
)  # fmt: skip
def test_nobody_gives_or_takes_what_their_role_does_not_allow(team: Team, actor: str, who: str, role: str) -> None:
    before = team.row(who, "role")
    assert team.act(actor, "role", who, role=role).status == 403
    assert team.row(who, "role") == before
    assert team.is_in(who)


@pytest.mark.requirement("SES-11", "SES-06")
@pytest.mark.parametrize(("who", "role"), [("admin", "member"), ("member", "admin"), ("member", "owner")])
def test_a_role_never_changes_inside_a_session(team: Team, who: str, role: str) -> None:
    assert team.act("owner", "role", who, role=role).status == 303
    assert not team.is_in(who)
    assert f"your role: {role.capitalize()}" in team.world.sign_in(team.browsers[who], f"{who}@acme.test").text


def test_the_same_role_again_changes_and_tells_nothing(team: Team) -> None:
    before = team.world.counts()
    assert team.act("owner", "role", "member", role="member").status == 303
    assert team.world.counts() == before
    assert team.is_in("member")


def test_an_admin_may_step_down(team: Team) -> None:
    team.act("admin", "role", "admin", role="member")
    assert team.row("admin", "role") == "member"
    assert not team.is_in("admin")
    assert team.world.letters("admin@acme.test") == []


@pytest.mark.parametrize("role", ["", "OWNER ", "root", "owner;"])
def test_what_is_no_role_is_refused(team: Team, role: str) -> None:
    assert team.act("admin", "role", "member", role=role).status in (400, 403)
    assert team.row("member", "role") == "member"


@pytest.mark.requirement("SES-12")
@pytest.mark.parametrize(
    ("verb", "who", "role"), [("role", "member", "owner"), ("role", "owner", "admin"), ("suspend", "boss", "")]
)
def test_what_makes_or_unmakes_an_owner_wants_a_fresh_sign_in(team: Team, verb: str, who: str, role: str) -> None:
    team.add("boss", Role.OWNER)
    team.world.clock.advance(minutes=11)
    answer = team.act("owner", verb, who, **({"role": role} if role else {}))
    assert answer.location == f"https://llm-ops.test/confirm?next=/settings/team/{team.id_of(who)}"
    assert team.act("owner", "role", "member", role="admin").location.endswith("?done=role")
    assert [team.row(name, "role") for name in ("boss", "owner")] == ["owner", "owner"]
    assert team.row("boss", "status") == "active"


# --- Suspend, resume, remove -----------------------------------------------------------------------------------------


@pytest.mark.requirement("SES-11")
@pytest.mark.parametrize(("verb", "status"), [("suspend", "suspended"), ("remove", "removed")])
def test_who_is_suspended_or_removed_is_out_at_once_on_every_device(team: Team, verb: str, status: str) -> None:
    second = team.world.visitor()
    team.world.sign_in(second, "member@acme.test")
    assert team.act("admin", verb, "member").status == 303
    assert not team.is_in("member")
    assert second.get("/").status == 303
    assert team.row("member", "status") == status
    assert team.world.sign_in(team.world.visitor(), "member@acme.test").status == 401
    assert team.is_in("admin")


@pytest.mark.requirement("SES-11", "TEN-03")
def test_sessions_in_another_organization_go_on(team: Team) -> None:
    world, other = team.world, team.world.organization("Other", domain="other.test")
    user_id = team.row("member", "user_id")
    with world.database.writing() as db:
        members.join(db, other, str(user_id), role=Role.MEMBER, how="operator", now=world.clock.now)
    world.sql("UPDATE sessions SET organization_id = :other WHERE user_id = :user", other=other.id, user=user_id)
    team.act("owner", "remove", "member")
    assert world.value("SELECT count(*) FROM sessions WHERE user_id = :user AND ended_at IS NULL", user=user_id) == 1


@pytest.mark.requirement("TEN-15")
@pytest.mark.parametrize(("verb", "code"), [("suspend", "member_suspended"), ("remove", "member_removed")])
def test_the_next_assertion_brings_nobody_back(team: Team, verb: str, code: str) -> None:
    connection = team.world.saml(team.acme)
    team.world.saml_sign_in(team.world.visitor(), connection, "member@acme.test")
    team.act("admin", verb, "member")
    status = team.row("member", "status")
    assert error_of(team.world.saml_sign_in(team.world.visitor(), connection, "member@acme.test")) == code
    assert team.row("member", "status") == status


def test_who_is_resumed_may_sign_in_again_if_there_is_a_seat(team: Team) -> None:
    team.act("admin", "suspend", "member")
    team.world.sql("UPDATE organizations SET seats = 2")
    assert team.act("admin", "resume", "member").status == 403
    assert team.row("member", "status") == "suspended"
    team.world.sql("UPDATE organizations SET seats = 3")
    assert team.act("admin", "resume", "member").status == 303
    assert "Dashboard" in team.world.sign_in(team.browsers["member"], "member@acme.test").text


@pytest.mark.requirement("TEN-16")
@pytest.mark.parametrize("verb", ["suspend", "resume", "remove"])
@pytest.mark.parametrize(("actor", "who"), [("admin", "owner"), ("member", "admin"), ("owner", "owner")])
def test_nobody_suspends_or_removes_a_stronger_one_or_themselves(team: Team, verb: str, actor: str, who: str) -> None:
    assert team.act(actor, verb, who).status == 403
    assert team.row(who, "status") == "active"
    assert team.is_in(who)


@pytest.mark.requirement("TEN-20")
@pytest.mark.parametrize("verb", ["role", "suspend", "resume", "remove"])
def test_what_was_removed_can_only_be_invited_again(team: Team, verb: str) -> None:
    team.act("owner", "remove", "member")
    assert team.act("owner", verb, "member", role="admin").status == 404


def test_a_second_press_of_the_button_changes_nothing(team: Team) -> None:
    team.act("admin", "suspend", "member")
    before = team.world.counts()
    assert team.act("admin", "suspend", "member").status == 303
    assert team.act("admin", "resume", "admin").status == 403
    assert team.world.counts() == before


@pytest.mark.requirement("PWD-16")
def test_the_person_is_told_and_names_carry_no_addresses(team: Team) -> None:
    team.world.sql("UPDATE users SET first_name = 'See https://evil.test/x now' WHERE email = 'admin@acme.test'")
    for verb, fields in (("role", {"role": "admin"}), ("suspend", {}), ("resume", {}), ("remove", {})):
        team.act("admin", verb, "member", **fields)
    subjects = [str(letter["Subject"]) for letter in team.world.letters("member@acme.test")]
    assert subjects == [
        "Acme: you are now an admin",
        "Acme: your access is suspended",
        "Acme: you may sign in again",
        "Acme: you are no longer a member",
    ]
    assert all("evil.test" not in letter.as_string() for letter in team.world.letters("member@acme.test"))


def test_each_change_is_recorded_with_before_after_and_target(team: Team) -> None:
    member = team.row("member", "user_id")
    for verb, fields in (("role", {"role": "admin"}), ("suspend", {}), ("resume", {}), ("remove", {})):
        team.act("owner", verb, "member", **fields)
    with team.world.database.reading() as db:
        rows = db.exec_driver_sql(
            "SELECT action, actor, target, facts FROM audit_entries WHERE action != 'session.opened' ORDER BY number"
        ).all()
    owner = team.row("owner", "user_id")
    assert [(row.action, row.actor, row.target) for row in rows] == [
        (f"member.{action}", owner, member) for action in ("role_changed", "suspended", "resumed", "removed")
    ]
    assert [("member" in str(row.facts), "active" in str(row.facts)) for row in rows] == [
        (True, False), (True, True), (True, True), (True, True),
    ]  # fmt: skip


# --- The last owner --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-16")
def test_the_last_owner_can_neither_step_down_nor_leave(team: Team) -> None:
    assert team.act("owner", "role", "owner", role="member").status == 409
    visitor = team.browsers["owner"]
    page = visitor.get("/settings/team/leave")
    assert "You are the only owner" in page.text
    token = str(page.form("/logout").fields["csrf_token"])
    assert visitor.post("/settings/team/leave", {"csrf_token": token}).status == 409
    assert (team.row("owner", "role"), team.row("owner", "status")) == ("owner", "active")
    assert team.is_in("owner")


@pytest.mark.requirement("TEN-16")
@pytest.mark.parametrize("blocked", ["UPDATE members SET status = 'suspended'", "UPDATE users SET suspended_at = :now"])
def test_an_owner_who_cannot_act_does_not_count(team: Team, blocked: str) -> None:
    team.add("boss", Role.OWNER)
    where = "WHERE id = :id" if "members" in blocked else "WHERE email = 'boss@acme.test'"
    values = {"id": team.id_of("boss")} if "members" in blocked else {"now": team.world.clock.now}
    team.world.sql(f"{blocked} {where}", **values)
    assert team.act("owner", "role", "owner", role="member").status == 409


@pytest.mark.requirement("TEN-16", "TST-13")
@pytest.mark.parametrize("verb", ["role", "remove", "leave"])
def test_of_two_owners_who_go_at_one_moment_one_stays(team: Team, verb: str) -> None:
    team.add("boss", Role.OWNER)
    barrier, statuses = threading.Barrier(2), []
    ways = {
        "role": {"owner": (f"/settings/team/{team.id_of('boss')}/role", {"role": "member"}),
                 "boss": (f"/settings/team/{team.id_of('owner')}/role", {"role": "member"})},
        "remove": {"owner": (f"/settings/team/{team.id_of('boss')}/remove", {}),
                   "boss": (f"/settings/team/{team.id_of('owner')}/remove", {})},
        "leave": {"owner": ("/settings/team/leave", {}), "boss": ("/settings/team/leave", {})},
    }[verb]  # fmt: skip

    def go(who: str) -> None:
        visitor, (path, fields) = team.browsers[who], ways[who]
        token = str(visitor.get("/settings/profile").form("/logout").fields["csrf_token"])
        barrier.wait()
        statuses.append(visitor.post(path, {"csrf_token": token, **fields}).status)

    threads = [threading.Thread(target=go, args=(who,)) for who in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert team.world.value("SELECT count(*) FROM members WHERE role = 'owner' AND status = 'active'") == 1
    assert 303 in statuses


# --- Leaving, and emergency owners -----------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-15", "SES-11")
def test_who_leaves_is_signed_out_and_comes_back_by_invitation_only(team: Team) -> None:
    visitor = team.browsers["member"]
    page = visitor.click(visitor.get("/settings/team"), "/settings/team/leave")
    left = visitor.follow(visitor.submit(page, "/settings/team/leave"))
    assert "You are signed out" in left.text
    assert not team.is_in("member")
    assert team.row("member", "status") == "removed"
    assert team.world.value("SELECT count(*) FROM audit_entries WHERE action = 'member.left'") == 1
    sso = team.world.saml_sign_in(team.world.visitor(), team.world.saml(team.acme), "member@acme.test")
    assert error_of(sso) == "member_removed"


@pytest.mark.requirement("TEN-16", "TEN-19")
@pytest.mark.parametrize(("verb", "fields"), [("role", {"role": "admin"}), ("suspend", {}), ("remove", {})])
def test_an_emergency_owner_loses_the_mark_but_the_last_one_stays(
    team: Team, verb: str, fields: dict[str, str]
) -> None:
    team.add("boss", Role.OWNER)
    team.world.sql(
        "UPDATE members SET break_glass_at = :now WHERE id = :id", now=team.world.clock.now, id=team.id_of("boss")
    )
    team.world.sql("UPDATE sessions SET method = 'sso'")
    team.world.sql("UPDATE organizations SET sso_enforced_at = :now", now=team.world.clock.now)
    assert team.act("owner", verb, "boss", **fields).status == 409
    assert team.row("boss", "break_glass_at") is not None
    team.world.sql("UPDATE organizations SET sso_enforced_at = NULL")
    assert team.act("owner", verb, "boss", **fields).status == 303
    assert team.row("boss", "break_glass_at") is None


def test_rights_are_those_of_now_not_of_the_page(team: Team) -> None:
    visitor = team.browsers["admin"]
    page = visitor.get(f"/settings/team/{team.id_of('member')}")
    team.world.sql("UPDATE members SET role = 'member' WHERE id = :id", id=team.id_of("admin"))
    assert visitor.submit(page, f"/settings/team/{team.id_of('member')}/suspend").status == 403
    assert team.row("member", "status") == "active"


@pytest.mark.requirement("SES-12")
def test_an_owner_leaves_after_a_fresh_sign_in_only(team: Team) -> None:
    team.add("boss", Role.OWNER)
    page = team.browsers["boss"].get("/settings/team/leave")
    team.world.clock.advance(minutes=10, seconds=1)
    answer = team.browsers["boss"].submit(page, "/settings/team/leave")
    assert answer.location == "https://llm-ops.test/confirm?next=/settings/team/leave"
    assert team.row("boss", "status") == "active"
    member = team.browsers["member"]
    assert "/logout" in member.submit(member.get("/settings/team/leave"), "/settings/team/leave").location


@pytest.mark.requirement("TEN-16", "TEN-19")
@pytest.mark.parametrize(
    "lost",
    [
        "UPDATE users SET suspended_at = :now WHERE id = :id",
        "DELETE FROM second_factors WHERE holder_id = :id AND :now IS NOT NULL",
        "DELETE FROM passwords WHERE user_id = :id AND :now IS NOT NULL",
    ],
)
def test_an_emergency_owner_who_cannot_get_in_replaces_nobody(world: World, lost: str) -> None:
    made, visitor = company(world), world.visitor()
    eve = world.person("eve@acme.test", made.organization, role=Role.OWNER)
    second_factor(world, eve)
    with world.database.writing() as db:
        breakglass.name(db, made.organization.id, eve.id, by=eve.id, now=world.clock.now)
    world.person("max@acme.test", made.organization, role=Role.OWNER)  # so that there is always another owner
    enforce(world, made.organization)
    world.sql(lost, id=eve.id, now=world.clock.now)
    break_glass(world, visitor, made)
    assert visitor.submit(visitor.get("/settings/team/leave"), "/settings/team/leave").status == 409
    assert world.value("SELECT break_glass_at FROM members WHERE user_id = :id", id=made.owner.id) is not None
