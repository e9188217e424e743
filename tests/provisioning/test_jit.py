"""From an identity provider's word to an account: who is made, who is connected, who must prove it, who stays out."""

from datetime import timedelta

import pytest
from saml.keys import signer
from world import PASSWORD, World, error_of, request_id_of

from llmops.organizations.roles import Role
from llmops.plans import Plan


@pytest.mark.requirement("TEN-04")
def test_a_first_sign_in_makes_a_member(world: World) -> None:
    connection = world.saml(world.organization())
    visitor = world.visitor()
    page = world.saml_sign_in(visitor, connection)
    assert "Welcome to LLM Ops, Ann Lee" in page.text
    assert "your role: Member" in page.text
    assert "ann@acme.test" in visitor.get("/settings/team").text
    assert world.letters() == []


def test_a_later_sign_in_takes_new_names_and_makes_nobody(world: World) -> None:
    connection = world.saml(world.organization())
    world.saml_sign_in(world.visitor(), connection)
    world.sql("UPDATE members SET role = 'admin'")
    page = world.saml_sign_in(world.visitor(), connection, names=("Anna", "Lee-Ray"))
    assert "Anna Lee-Ray" in page.text
    assert "your role: Admin" in page.text
    assert world.counts()["users"] == 1


@pytest.mark.requirement("TEN-04", "TEN-13")
def test_the_link_wins_over_the_address(world: World) -> None:
    connection = world.saml(world.organization())
    world.saml_sign_in(world.visitor(), connection, "ann@acme.test", subject="00u1")
    page = world.saml_sign_in(world.visitor(), connection, "anna@acme.test", subject="00u1")
    assert "anna@acme.test" in page.text
    assert world.counts()["users"] == 1


@pytest.mark.requirement("TEN-13")
def test_a_new_address_that_somebody_has_stops(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    world.person("bob@acme.test", acme)
    world.saml_sign_in(world.visitor(), connection, "ann@acme.test", subject="00u1")
    assert error_of(world.saml_sign_in(world.visitor(), connection, "bob@acme.test", subject="00u1")) == "email_taken"
    assert world.value("SELECT email FROM users WHERE first_name = 'Ann'") == "ann@acme.test"


@pytest.mark.requirement("TEN-10")
def test_a_plain_member_is_connected_at_once_and_told(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme)
    page = world.saml_sign_in(world.visitor(), world.saml(acme))
    assert page.url.endswith("/")
    assert world.counts()["users"] == 1
    assert "was connected" in world.letters("ann@acme.test")[0]["Subject"]
    assert "Dashboard" in world.sign_in(world.visitor(), "ann@acme.test").text


@pytest.mark.requirement("TEN-10")
@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_an_owner_or_admin_proves_the_account_by_mail(world: World, role: Role) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=role)
    connection, visitor = world.saml(acme), world.visitor()
    stopped = world.saml_sign_in(visitor, connection)
    assert error_of(stopped) == "link_proof_needed"
    assert world.counts()["identities"] == 0
    assert visitor.get("/").location.endswith("/login")
    page = world.open(visitor, world.link("ann@acme.test", "/login/link"))
    assert "Connect your company sign-in" in page.text
    assert world.counts()["identities"] == 0
    landed = visitor.follow(visitor.submit(page, "/login/link"))
    assert f"your role: {role.value.capitalize()}" in landed.text
    assert world.saml_sign_in(world.visitor(), connection).url.endswith("/")


@pytest.mark.requirement("TEN-11")
def test_the_proof_works_in_its_browser_only_and_once(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=Role.OWNER)
    connection, visitor, other = world.saml(acme), world.visitor(), world.visitor()
    world.saml_sign_in(visitor, connection)
    link = world.link("ann@acme.test", "/login/link")
    elsewhere = other.submit(world.open(other, link), "/login/link")
    assert error_of(elsewhere) == "code_already_used"
    page = world.open(visitor, link)
    visitor.submit(page, "/login/link")
    assert world.open(visitor, link).status == 410
    assert world.counts()["identities"] == 1


@pytest.mark.requirement("TEN-10")
def test_an_owner_who_is_signed_in_here_needs_no_letter(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=Role.OWNER)
    connection, visitor = world.saml(acme), world.visitor()
    world.sign_in(visitor, "ann@acme.test")
    request_id = request_id_of(visitor.get("/login/sso/acme/start").location)
    landed = visitor.follow(world.post_response(visitor, connection, world.response(connection, request_id)))
    assert "your role: Owner" in landed.text
    assert world.counts()["identities"] == 1


@pytest.mark.requirement("TEN-09", "TEN-03")
def test_an_account_of_another_organization_is_not_taken_over(world: World) -> None:
    other = world.organization("Other", domain=None)
    world.person("ann@acme.test", other)
    connection = world.saml(world.organization())
    assert error_of(world.saml_sign_in(world.visitor(), connection)) == "account_elsewhere"
    assert world.counts()["identities"] == 0
    assert world.counts()["members"] == 1


@pytest.mark.requirement("TEN-08")
def test_an_unproven_account_loses_its_password_to_the_real_owner(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, verified=False)
    assert world.saml_sign_in(world.visitor(), world.saml(acme)).url.endswith("/")
    assert world.counts()["passwords"] == 0
    assert "not right" in world.sign_in(world.visitor(), "ann@acme.test", PASSWORD).text


@pytest.mark.requirement("TEN-05", "TEN-06")
@pytest.mark.parametrize("address", ["ann@other.test", "ann@sub.acme.test", "ann@acme.test.evil.test", "ann@gmail.com"])
def test_an_address_outside_the_verified_domains_stays_out(world: World, address: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(world.depart(visitor))
    sent = world.post_response(visitor, connection, world.response(connection, request_id, address=address))
    assert error_of(visitor.follow(sent)) == "email_outside_domains"
    assert world.counts()["users"] == 0


@pytest.mark.requirement("TEN-05")
def test_a_domain_that_is_no_longer_verified_stops_even_known_people(world: World) -> None:
    connection = world.saml(world.organization())
    world.saml_sign_in(world.visitor(), connection)
    request_id = request_id_of(world.depart(visitor := world.visitor()))
    world.sql("UPDATE organization_domains SET verified_at = NULL")
    sent = world.post_response(visitor, connection, world.response(connection, request_id, assertion_id="_later"))
    assert error_of(visitor.follow(sent)) == "email_outside_domains"


@pytest.mark.requirement("TEN-15")
@pytest.mark.parametrize(("status", "code"), [("suspended", "member_suspended"), ("removed", "member_removed")])
@pytest.mark.parametrize("linked", [True, False])
def test_blocked_people_stay_out(world: World, status: str, code: str, linked: bool) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    if linked:
        world.saml_sign_in(world.visitor(), connection)
    else:
        world.person("ann@acme.test", acme)
    world.sql("UPDATE members SET status = :status", status=status)
    assert error_of(world.saml_sign_in(world.visitor(), connection)) == code
    assert world.value("SELECT status FROM members") == status


def test_a_suspended_account_stays_out(world: World) -> None:
    connection = world.saml(world.organization())
    world.saml_sign_in(world.visitor(), connection)
    world.sql("UPDATE users SET suspended_at = :now", now=world.clock.now)
    assert error_of(world.saml_sign_in(world.visitor(), connection)) == "account_suspended"


def test_no_seat_left_leaves_no_account(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    world.person("pat@acme.test", acme)
    world.sql("UPDATE organizations SET seats = 1")
    assert error_of(world.saml_sign_in(world.visitor(), connection)) == "no_seats_left"
    assert world.counts()["users"] == 1
    assert world.counts()["identities"] == 0


def test_a_plan_that_was_lowered_meanwhile_stops(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(world.depart(visitor))
    world.sql("UPDATE organizations SET plan = :plan", plan=Plan.STARTER.value)
    sent = world.post_response(visitor, connection, world.response(connection, request_id))
    assert error_of(visitor.follow(sent)) == "plan_not_enterprise"
    assert world.counts()["users"] == 0


@pytest.mark.requirement("SES-08")
def test_somebody_elses_session_is_replaced_only_when_asked(world: World) -> None:
    acme = world.organization()
    world.person("bob@acme.test", acme)
    connection, visitor = world.saml(acme), world.visitor()
    world.sign_in(visitor, "bob@acme.test")
    request_id = request_id_of(visitor.get("/login/sso/acme/start").location)
    page = visitor.follow(world.post_response(visitor, connection, world.response(connection, request_id)))
    assert "You are already signed in" in page.text
    assert "bob@acme.test" in visitor.get("/").text
    landed = visitor.follow(visitor.submit(page, "/login/replace"))
    assert "ann@acme.test" in landed.text


@pytest.mark.requirement("TEN-03")
def test_one_person_in_two_organizations_acts_in_the_one_they_came_through(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain="other.test")
    ann = world.person("ann@acme.test", acme)
    world.sql(
        "INSERT INTO members (id, organization_id, user_id, role, status, joined_how, joined_at)"
        " VALUES ('om_2', :org, :user, 'owner', 'active', 'operator', :now)",
        org=other.id, user=ann.id, now=world.clock.now,
    )  # fmt: skip
    page = world.saml_sign_in(world.visitor(), world.saml(acme))
    assert "Acme · Enterprise plan · your role: Member" in page.text


@pytest.mark.requirement("SAML-19")
def test_a_key_of_another_organization_never_verifies(world: World) -> None:
    connection = world.saml(world.organization())
    request_id = request_id_of(world.depart(visitor := world.visitor()))
    encoded = world.response(connection, request_id, by=signer("other"))
    assert error_of(world.post_response(visitor, connection, encoded)) in ("saml_signature_invalid", "saml_key_unknown")


@pytest.mark.requirement("TEN-03", "TEN-10")
def test_a_session_of_another_organization_proves_nothing(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain="other.test")
    ann = world.person("ann@acme.test", other)
    world.sql(
        "INSERT INTO members (id, organization_id, user_id, role, status, joined_how, joined_at)"
        " VALUES ('om_2', :org, :user, 'owner', 'active', 'operator', :now)",
        org=acme.id, user=ann.id, now=world.clock.now + timedelta(hours=1),
    )  # fmt: skip
    connection, visitor = world.saml(acme), world.visitor()
    assert "Other" in world.sign_in(visitor, "ann@acme.test").text
    request_id = request_id_of(visitor.get("/login/sso/acme/start").location)
    sent = world.post_response(visitor, connection, world.response(connection, request_id))
    assert error_of(visitor.follow(sent)) == "link_proof_needed"


@pytest.mark.requirement("TEN-02")
def test_a_confirmation_is_void_once_the_connection_is_off(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=Role.OWNER)
    connection, visitor = world.saml(acme), world.visitor()
    world.saml_sign_in(visitor, connection)
    page = world.open(visitor, world.link("ann@acme.test", "/login/link"))
    world.sql("UPDATE connections SET state = 'off'")
    assert error_of(visitor.submit(page, "/login/link")) == "connection_inactive"
    assert world.counts()["identities"] == 0
    assert world.counts()["sessions"] == 0


@pytest.mark.requirement("SAML-36")
def test_a_name_id_that_two_people_share_hands_no_account_on(world: World) -> None:
    connection = world.saml(world.organization())
    world.saml_sign_in(world.visitor(), connection, "ann@acme.test", subject="user")
    bob = world.saml_sign_in(world.visitor(), connection, "bob@acme.test", subject="user", names=("Bob", "Ray"))
    assert error_of(bob) == "subject_shared"
    assert world.value("SELECT email FROM users") == "ann@acme.test"
    married = world.saml_sign_in(world.visitor(), connection, "ann.ray@acme.test", subject="user", names=("Ann", "Ray"))
    assert "ann.ray@acme.test" in married.text
