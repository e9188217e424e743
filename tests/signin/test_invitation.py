"""The invited side: every case of who opens the link, and the ways into somebody else's organization that stay shut."""

import threading
from dataclasses import dataclass

import pytest
from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, World, error_of

from llmops.broker.profiles import Profile
from llmops.errors import EmailNotVerified
from llmops.organizations import acceptance
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.provisioning import jit
from llmops.web import one_time

INVITE = "/settings/team/invite"
ANN = "ann@acme.test"
NAMES = {"first_name": "Ann", "last_name": "Lee"}


@dataclass
class Stage:
    """Acme, and the browser of its owner."""

    world: World
    acme: Organization
    owner: Visitor

    def invite(self, address: str = ANN, role: str = "member") -> str:
        """Returns the link in the letter."""
        page = self.owner.submit(self.owner.get(INVITE), INVITE, emails=address, role=role)
        if page.status == 422:  # a warning about the address
            page = self.owner.submit(page, INVITE)
        assert page.status == 200, page.text
        return self.world.link(address, "/invitation")

    def elsewhere(self, address: str = ANN, **options: object) -> Organization:
        """A person with an account in another organization."""
        other = self.world.organization("Other", domain="other.test")
        self.world.person(address, other, **options)
        return other

    def member(self, address: str = ANN) -> tuple[str, str, str] | None:
        """Role, status and way of joining in Acme, or None."""
        with self.world.database.reading() as db:
            row = db.exec_driver_sql(
                "SELECT role, status, joined_how FROM members m JOIN users u ON u.id = m.user_id"
                f" WHERE u.email = '{address}' AND m.organization_id = '{self.acme.id}'"
            ).first()
        return (row[0], row[1], row[2]) if row else None


@pytest.fixture
def stage(world: World) -> Stage:
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    owner = world.visitor()
    world.sign_in(owner, "owner@acme.test")
    return Stage(world, acme, owner)


def copied(link: str) -> str:
    """The link as an admin can copy it: without the proof of the mailbox."""
    return link.partition(".")[0]


# --- Opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SES-14", "WEB-02")
def test_opening_shows_who_where_and_as_what_and_spends_nothing(stage: Stage) -> None:
    link = stage.invite(role="admin")
    before = stage.world.counts()
    for _ in range(3):
        page = stage.world.open(stage.world.visitor(), link)
        assert page.url == "https://llm-ops.test/invitation"
        assert all(text in page.text for text in ("Join Acme", "Pat Doe invites you", "Your role Admin", ANN))
    assert stage.world.counts() == before


@pytest.mark.requirement("PWD-12", "SES-13")
@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 43 + "." + "0" * 64])
def test_a_token_that_is_none_is_refused(stage: Stage, token: str) -> None:
    stage.invite()
    assert stage.world.open(stage.world.visitor(), f"/invitation?token={token}").status == 410


@pytest.mark.requirement("PWD-12", "SES-04")
def test_a_proof_that_is_none_does_not_pass_for_a_copied_link(stage: Stage) -> None:
    link = copied(stage.invite()) + "." + "0" * 64
    assert stage.world.open(stage.world.visitor(), link).status == 410


@pytest.mark.requirement("PWD-12", "TST-14")
def test_it_is_good_for_seven_days_to_the_second(stage: Stage) -> None:
    link, visitor = stage.invite(), stage.world.visitor()
    stage.world.clock.advance(days=7, seconds=-1)
    page = stage.world.open(visitor, link)
    assert page.status == 200
    stage.world.clock.advance(seconds=1)
    answer = visitor.submit(page, "/invitation", **NAMES, password=PASSWORD)
    assert answer.status == 410
    assert stage.member() is None
    assert stage.world.counts()["users"] == 1


LOST = [
    "UPDATE members SET role = 'member'",
    "UPDATE members SET status = 'suspended'",
    "UPDATE members SET status = 'removed'",
    "UPDATE users SET suspended_at = :now",
]


@pytest.mark.requirement("PWD-12")
@pytest.mark.parametrize("meanwhile", LOST)
@pytest.mark.parametrize("opened", [True, False])
def test_it_is_void_once_the_inviter_may_not_give_that_role(stage: Stage, meanwhile: str, opened: bool) -> None:
    link, visitor = stage.invite(), stage.world.visitor()
    page = stage.world.open(visitor, link) if opened else None
    stage.world.sql(meanwhile, now=stage.world.clock.now)
    answer = (
        visitor.submit(page, "/invitation", **NAMES, password=PASSWORD) if page else stage.world.open(visitor, link)
    )
    assert answer.status == 410
    assert stage.member() is None


def test_a_suspended_organization_takes_nobody(stage: Stage) -> None:
    link = stage.invite()
    stage.world.sql("UPDATE organizations SET suspended_at = :now", now=stage.world.clock.now)
    assert stage.world.open(stage.world.visitor(), link).status == 403


# --- Nobody signed in, no account ------------------------------------------------------------------------------------


@pytest.mark.requirement("PWD-12")
def test_the_letter_makes_account_and_member_in_one_step(stage: Stage) -> None:
    link, visitor = stage.invite(role="admin"), stage.world.visitor()
    landed = visitor.follow(visitor.submit(stage.world.open(visitor, link), "/invitation", **NAMES, password=PASSWORD))
    assert "Acme · Enterprise plan · your role: Admin" in landed.text
    assert stage.member() == ("admin", "active", "invitation")
    assert "Ann Lee" in stage.world.sign_in(stage.world.visitor(), ANN).text
    accepted = stage.world.letters("owner@acme.test")[-1]
    assert accepted["Subject"] == "Acme: ann@acme.test accepted your invitation"
    cookies = visitor.cookies.for_request("https://llm-ops.test/", method="GET", cross_site=False)
    assert one_time.cookie("invitation") not in cookies
    assert stage.world.open(stage.world.visitor(), link).status == 410


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"first_name": " "}, "first_name"), ({"last_name": "x" * 101}, "last_name"), ({"password": "short"}, "password"),
     ({"password": "ann lee acme acme"}, "password")],
)  # fmt: skip
def test_a_form_with_a_mistake_spends_nothing(stage: Stage, changes: dict[str, str], name: str) -> None:
    visitor = stage.world.visitor()
    page = stage.world.open(visitor, stage.invite())
    again = visitor.submit(page, "/invitation", **{**NAMES, "password": PASSWORD, **changes})
    assert again.status == 422
    assert f'id="{name}-error"' in again.html
    assert visitor.submit(again, "/invitation", **NAMES, password=PASSWORD).status == 303


@pytest.mark.requirement("PWD-12", "TEN-08")
def test_a_copied_link_makes_no_account_and_tells_nothing(stage: Stage) -> None:
    link = copied(stage.invite())
    stage.elsewhere("bob@acme.test")
    known = copied(stage.invite("bob@acme.test"))
    visitor = stage.world.visitor()
    pages = [stage.world.open(stage.world.visitor(), one) for one in (link, known)]
    assert pages[0].text.replace("ann@", "bob@") == pages[1].text
    page = stage.world.open(visitor, link)
    assert [form.action.partition("test")[2] for form in page.forms if "theme" not in form.action] == [
        "/invitation/letter"
    ]
    token = page.form("/invitation/letter").fields
    refused = visitor.post("/invitation", {**token, **NAMES, "password": PASSWORD})
    assert refused.status == 403
    assert stage.world.counts()["users"] == 2
    assert stage.member() is None


def test_a_copied_link_becomes_a_letter_that_proves_the_mailbox(stage: Stage) -> None:
    link, visitor = copied(stage.invite()), stage.world.visitor()
    page = visitor.submit(stage.world.open(visitor, link), "/invitation/letter")
    assert "Check your mail" in page.text
    assert len(stage.world.letters(ANN)) == 2
    opened = stage.world.open(visitor, stage.world.link(ANN, "/invitation"))
    assert visitor.submit(opened, "/invitation", **NAMES, password=PASSWORD).status == 303


@pytest.mark.requirement("PWD-16")
def test_a_copied_link_is_no_letter_machine(stage: Stage) -> None:
    link, visitor = copied(stage.invite()), stage.world.visitor()
    page = stage.world.open(visitor, link)
    answers = [visitor.submit(page, "/invitation/letter").status for _ in range(5)]
    assert answers == [200] * 4 + [429]
    assert len(stage.world.letters(ANN)) == 5


@pytest.mark.requirement("TEN-08")
def test_an_account_nobody_proved_is_taken_from_its_maker(stage: Stage) -> None:
    stage.elsewhere(verified=False)
    stage.world.sql(
        "INSERT INTO second_factors (holder_id, secret, created_at) SELECT id, 'x', :now FROM users WHERE email = :ann",
        now=stage.world.clock.now, ann=ANN,
    )  # fmt: skip
    visitor = stage.world.visitor()
    page = stage.world.open(visitor, stage.invite())
    assert visitor.submit(page, "/invitation", **NAMES, password="four unrelated words here").status == 303
    assert stage.member() == ("member", "active", "invitation")
    assert stage.world.counts()["second_factors"] == 0
    assert stage.world.sign_in(stage.world.visitor(), ANN, PASSWORD).status == 401


# --- An account exists -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-09", "SES-06")
def test_an_account_signs_in_first_then_accepts_and_moves_over(stage: Stage) -> None:
    stage.elsewhere()
    visitor = stage.world.visitor()
    page = stage.world.open(visitor, stage.invite())
    assert "You have an account" in page.text
    assert [form for form in page.forms if "invitation" in form.action] == []
    login = visitor.click(page, "/login")
    back = visitor.follow(visitor.submit(login, "/login", email=ANN, password=PASSWORD))
    assert back.url == "https://llm-ops.test/invitation"
    before = stage.world.value(
        "SELECT id FROM sessions WHERE ended_at IS NULL AND organization_id != :a", a=stage.acme.id
    )
    landed = visitor.follow(visitor.submit(back, "/invitation"))
    assert "Acme · Enterprise plan · your role: Member" in landed.text
    ended = "SELECT ended_at FROM sessions WHERE id = :id"
    assert stage.world.value(ended, id=before) is not None
    assert stage.world.counts()["members"] == 3


@pytest.mark.requirement("SES-09", "SES-12")
def test_moving_over_makes_no_session_younger(stage: Stage) -> None:
    stage.elsewhere()
    link, visitor = stage.invite(), stage.world.visitor()
    stage.world.sign_in(visitor, ANN)
    query = "SELECT {} FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = :ann AND s.ended_at IS NULL"
    before = [stage.world.value(query.format(name), ann=ANN) for name in ("authenticated_at", "ends_at")]
    stage.world.clock.advance(hours=1)
    assert visitor.submit(stage.world.open(visitor, link), "/invitation").status == 303
    after = [stage.world.value(query.format(name), ann=ANN) for name in ("authenticated_at", "ends_at")]
    assert after == before


@pytest.mark.requirement("TEN-09", "PWD-12")
def test_the_letter_alone_joins_no_account_that_can_sign_in(stage: Stage) -> None:
    stage.elsewhere()
    visitor = stage.world.visitor()
    page = stage.world.open(visitor, stage.invite())
    token = one_time_token(visitor)
    csrf = str(page.forms[0].fields["csrf_token"])
    answer = visitor.post("/invitation", {"csrf_token": csrf, "token": token, **NAMES, "password": PASSWORD})
    assert answer.status == 403
    assert stage.member() is None


def one_time_token(visitor: Visitor) -> str:
    cookies = visitor.cookies.for_request("https://llm-ops.test/", method="GET", cross_site=False)
    return cookies[one_time.cookie("invitation")]


@pytest.mark.requirement("PWD-12", "PWD-13")
def test_a_forwarded_invitation_lets_nobody_else_in(stage: Stage) -> None:
    stage.elsewhere("eve@other.test")
    link, eve = stage.invite(), stage.world.visitor()
    stage.world.sign_in(eve, "eve@other.test")
    page = stage.world.open(eve, link)
    assert page.status == 403
    assert "This invitation is for another address" in page.text
    token = {"csrf_token": str(page.form("/logout").fields["csrf_token"]), "token": one_time_token(eve)}
    assert eve.post("/invitation", {**token, **NAMES, "password": PASSWORD}).status == 403
    assert stage.member("eve@other.test") is None
    assert stage.world.counts()["users"] == 2
    assert "eve@other.test" in eve.get("/").text


@pytest.mark.requirement("PWD-13")
def test_a_changed_address_does_not_take_the_invitation_along(stage: Stage) -> None:
    stage.elsewhere()
    link, visitor = stage.invite(), stage.world.visitor()
    stage.world.sign_in(visitor, ANN)
    page = stage.world.open(visitor, link)
    stage.world.sql("UPDATE users SET email = 'ann@new.test' WHERE email = :ann", ann=ANN)
    assert visitor.submit(page, "/invitation").status == 403
    assert stage.world.counts()["members"] == 2


@pytest.mark.requirement("PWD-12")
def test_an_address_that_is_not_proven_accepts_nothing(stage: Stage) -> None:
    stage.elsewhere()
    link, visitor = stage.invite(), stage.world.visitor()
    stage.world.sign_in(visitor, ANN)
    page = stage.world.open(visitor, link)
    stage.world.sql("UPDATE users SET email_verified_at = NULL WHERE email = :ann", ann=ANN)
    assert visitor.submit(page, "/invitation").status == 403
    assert stage.member() is None


@pytest.mark.requirement("SES-13", "PWD-12", "TST-13")
def test_of_two_who_accept_at_one_moment_one_wins(stage: Stage) -> None:
    link, barrier, answers = stage.invite(), threading.Barrier(2), []
    opened: list[tuple[Visitor, Page]] = []
    for _ in range(2):
        visitor = stage.world.visitor()
        opened.append((visitor, stage.world.open(visitor, link)))

    def go(visitor: Visitor, page: Page) -> None:
        barrier.wait()
        answers.append(visitor.submit(page, "/invitation", **NAMES, password=PASSWORD).status)

    threads = [threading.Thread(target=go, args=pair) for pair in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(303) == 1
    assert answers.count(410) + answers.count(403) == 1
    assert stage.world.value("SELECT count(*) FROM members") == 2


def test_without_a_free_seat_nothing_is_spent(stage: Stage) -> None:
    link, visitor = stage.invite(), stage.world.visitor()
    stage.world.sql("UPDATE organizations SET seats = 1")
    page = stage.world.open(visitor, link)
    full = visitor.submit(page, "/invitation", **NAMES, password=PASSWORD)
    assert full.status == 403
    assert "no free seat" in full.text
    assert stage.world.counts()["users"] == 1
    stage.world.sql("UPDATE organizations SET seats = 2")
    assert visitor.submit(page, "/invitation", **NAMES, password=PASSWORD).status == 303


def test_who_became_a_member_by_another_way_is_told_so(stage: Stage) -> None:
    link = stage.invite()
    stage.world.person(ANN, stage.acme)
    visitor = stage.world.visitor()
    stage.world.sign_in(visitor, ANN)
    assert visitor.submit(stage.world.open(visitor, link), "/invitation").status == 409


# --- Removed people come back ----------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-15")
def test_a_removed_member_comes_back_by_a_new_invitation(stage: Stage) -> None:
    stage.world.person(ANN, stage.acme, role=Role.ADMIN)
    stage.world.sql("UPDATE members SET status = 'removed' WHERE role = 'admin'")
    visitor = stage.world.visitor()
    assert stage.world.sign_in(visitor, ANN).status == 401
    page = stage.world.open(visitor, stage.invite())
    assert "in no organization at the moment" in page.text
    joined = visitor.submit(page, "/invitation")
    assert "You are in Acme" in joined.text
    assert stage.member() == ("member", "active", "invitation")
    assert visitor.get("/").status == 303  # the letter proves the mailbox, not the password
    assert "your role: Member" in stage.world.sign_in(visitor, ANN).text


@pytest.mark.requirement("TEN-15")
def test_who_only_has_sso_comes_back_too(stage: Stage) -> None:
    connection = stage.world.saml(stage.acme)
    stage.world.saml_sign_in(stage.world.visitor(), connection)
    stage.world.sql("UPDATE members SET status = 'removed' WHERE joined_how = 'sso'")
    link, visitor = stage.invite(), stage.world.visitor()
    assert error_of(stage.world.saml_sign_in(stage.world.visitor(), connection)) == "member_removed"
    visitor.submit(stage.world.open(visitor, link), "/invitation")
    assert "your role: Member" in stage.world.saml_sign_in(visitor, connection).text


# --- Single sign-on --------------------------------------------------------------------------------------------------


def enforce(stage: Stage) -> None:
    stage.world.sql("UPDATE sessions SET method = 'sso' WHERE organization_id = :acme", acme=stage.acme.id)
    stage.world.sql(
        "UPDATE organizations SET sso_enforced_at = :now WHERE id = :acme",
        now=stage.world.clock.now, acme=stage.acme.id,
    )  # fmt: skip


@pytest.mark.requirement("PWD-13", "TEN-18")
def test_where_sso_is_compulsory_no_password_is_made(stage: Stage) -> None:
    connection = stage.world.saml(stage.acme)
    enforce(stage)
    visitor = stage.world.visitor()
    page = stage.world.open(visitor, stage.invite(role="admin"))
    assert "password" not in [name for form in page.forms for name in form.names]
    assert page.link("Continue with SSO") == "https://llm-ops.test/login/sso/acme?email=ann%40acme.test&next=%2F"
    csrf = str(page.forms[0].fields["csrf_token"])
    forced = {"csrf_token": csrf, "token": one_time_token(visitor), **NAMES, "password": PASSWORD}
    assert visitor.post("/invitation", forced).status == 403
    assert stage.world.counts()["passwords"] == 1
    landed = stage.world.saml_sign_in(visitor, connection)
    assert "your role: Admin" in landed.text
    assert stage.world.open(visitor, "/invitation").status == 410


@pytest.mark.requirement("PWD-13", "TEN-18")
def test_the_addresss_own_company_may_want_sso_too(stage: Stage) -> None:
    big = stage.world.organization("Big", domain="big.test")
    stage.world.sql(
        "UPDATE organizations SET sso_enforced_at = :now WHERE id = :big", now=stage.world.clock.now, big=big.id
    )
    page = stage.world.open(stage.world.visitor(), stage.invite("ann@big.test"))
    link = page.link("Continue with SSO")
    assert link == "https://llm-ops.test/login/sso/big?email=ann%40big.test&next=%2Finvitation"


@pytest.mark.requirement("TEN-03", "PWD-13")
def test_a_session_of_another_identity_provider_joins_but_opens_nothing_here(stage: Stage) -> None:
    other = stage.world.organization("Other", domain="other.test")
    connection = stage.world.saml(other)
    link, visitor = stage.invite("ann@other.test"), stage.world.visitor()
    stage.world.saml_sign_in(visitor, connection, "ann@other.test")
    page = stage.world.open(visitor, link)
    joined = visitor.submit(page, "/invitation")
    assert "whose sign-in counts only there" in joined.text
    assert stage.member("ann@other.test") == ("member", "active", "invitation")
    assert "Other" in visitor.get("/").text
    here = "SELECT count(*) FROM sessions WHERE organization_id = :acme AND method = 'sso'"
    assert stage.world.value(here, acme=stage.acme.id) == 0


@pytest.mark.requirement("PWD-13", "TEN-18")
def test_a_password_session_joins_but_does_not_enter_where_sso_is_compulsory(stage: Stage) -> None:
    stage.elsewhere("ann@other.test")
    enforce(stage)
    link, visitor = stage.invite("ann@other.test"), stage.world.visitor()
    stage.world.sign_in(visitor, "ann@other.test")
    joined = visitor.submit(stage.world.open(visitor, link), "/invitation")
    assert joined.link("Continue with SSO").startswith("https://llm-ops.test/login/sso/acme")
    assert stage.member("ann@other.test") == ("member", "active", "invitation")
    assert "Other" in visitor.get("/").text


# --- An invitation and a first sign-in through SSO ------------------------------------------------------------------


@pytest.mark.requirement("TEN-05")
def test_a_first_sso_sign_in_takes_the_invitations_role(stage: Stage) -> None:
    link = stage.invite(role="admin")
    landed = stage.world.saml_sign_in(stage.world.visitor(), stage.world.saml(stage.acme))
    assert "your role: Admin" in landed.text
    assert stage.member() == ("admin", "active", "sso")
    assert stage.world.open(stage.world.visitor(), link).status == 410


@pytest.mark.requirement("TEN-05", "PWD-12")
@pytest.mark.parametrize(
    "void",
    [
        "UPDATE invitations SET revoked_at = :now", "UPDATE invitations SET expires_at = :now",
        "UPDATE invitations SET accepted_at = :now", "UPDATE members SET status = 'suspended', joined_at = :now",
        "UPDATE invitations SET email = 'ann.b@acme.test', sent_at = :now",
    ],
)  # fmt: skip
def test_no_other_invitation_gives_a_role(stage: Stage, void: str) -> None:
    stage.invite(role="admin")
    stage.world.sql(void, now=stage.world.clock.now)
    landed = stage.world.saml_sign_in(stage.world.visitor(), stage.world.saml(stage.acme))
    assert "your role: Member" in landed.text


@pytest.mark.requirement("TEN-20", "TEN-05")
def test_an_invitation_of_another_organization_gives_no_role(stage: Stage) -> None:
    stage.invite(role="admin")
    other = stage.world.organization("Other", domain="other.test")
    stage.world.sql("UPDATE invitations SET organization_id = :other", other=other.id)
    landed = stage.world.saml_sign_in(stage.world.visitor(), stage.world.saml(stage.acme))
    assert "your role: Member" in landed.text


@pytest.mark.requirement("OIDC-17", "TEN-10")
def test_an_address_nobody_vouches_for_makes_no_admin(stage: Stage) -> None:
    stage.invite(role="admin")
    with stage.world.database.writing() as db:
        now = stage.world.clock.now
        assert acceptance.role_by_invitation(db, stage.acme.id, ANN, proven=False, now=now) is None
        assert acceptance.role_by_invitation(db, stage.acme.id, ANN, proven=True, now=now) is Role.ADMIN
        assert acceptance.role_by_invitation(db, stage.acme.id, ANN, proven=True, now=now) is None


@pytest.mark.requirement("OIDC-17", "TEN-10")
@pytest.mark.parametrize(("verified", "role"), [(True, "admin"), (None, "member")])
def test_a_provider_that_says_nothing_about_the_address_makes_a_member_only(
    stage: Stage, verified: bool | None, role: str
) -> None:
    link = stage.invite(role="admin")
    connection, profile = stage.world.saml(stage.acme), Profile("00u1", ANN, verified, "Ann", "Lee")
    now = stage.world.clock.now
    with stage.world.database.writing() as db:
        jit.welcome(db, stage.acme, connection.id, profile, now=now, ip="198.51.100.7", signed_in_as=None)
    assert stage.member() == (role, "active", "sso")
    assert (stage.world.open(stage.world.visitor(), link).status == 410) is bool(verified)


@pytest.mark.requirement("TEN-05", "OIDC-17")
def test_an_invited_admin_whose_address_the_provider_does_not_vouch_for_stays_out(stage: Stage) -> None:
    stage.invite(role="admin")
    connection, profile = stage.world.saml(stage.acme), Profile("00u1", ANN, False, "Ann", "Lee")
    now = stage.world.clock.now
    with pytest.raises(EmailNotVerified), stage.world.database.writing() as db:
        jit.welcome(db, stage.acme, connection.id, profile, now=now, ip="198.51.100.7", signed_in_as=None)
    assert stage.member() is None


@pytest.mark.requirement("TEN-09", "TEN-05")
def test_an_invited_account_from_elsewhere_is_not_joined_by_an_assertion(stage: Stage) -> None:
    stage.elsewhere()
    stage.invite()
    connection = stage.world.saml(stage.acme)
    assert error_of(stage.world.saml_sign_in(stage.world.visitor(), connection)) == "account_elsewhere"
    assert stage.member() is None
    visitor = stage.world.visitor()
    stage.world.sign_in(visitor, ANN)
    visitor.submit(stage.world.open(visitor, stage.world.link(ANN, "/invitation")), "/invitation")
    assert "your role: Member" in stage.world.saml_sign_in(stage.world.visitor(), connection).text


@pytest.mark.requirement("TEN-05", "TEN-06")
def test_an_invitation_opens_no_domain_for_an_identity_provider(stage: Stage) -> None:
    stage.invite("ann@else.test")
    connection, visitor = stage.world.saml(stage.acme), stage.world.visitor()
    landed = stage.world.saml_sign_in(visitor, connection, "bo@acme.test", attributes=[
        ("email", ["ann@else.test"]), ("firstName", ["Ann"]), ("lastName", ["Lee"]),
    ])  # fmt: skip
    assert error_of(landed) == "email_outside_domains"
