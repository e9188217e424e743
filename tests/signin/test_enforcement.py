"""Compulsory single sign-on: what must hold first, what happens at that moment, and every door afterwards."""

import re
from datetime import timedelta

import pytest
from support.enforced import break_glass, code, company, enforce, enforced, relax
from support.mailbox import text_of
from support.page import Page
from world import PASSWORD, World, error_of

from llmops.errors import EnforcementNotReady, ReasonMissing
from llmops.organizations import members, organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.signin import enforcement

NEW_PASSWORD = "another long good sentence 99"


def typed(world: World, address: str, password: str = PASSWORD) -> Page:
    visitor = world.visitor()
    return visitor.submit(visitor.get("/login"), "/login", email=address, password=password)


def missing(world: World) -> set[str]:
    with world.database.reading() as db:
        acme = organization.with_slug(db, "acme")
        return {found.name for found in enforcement.conditions(db, acme, now=world.clock.now) if not found.met}


def require(world: World, reason: str = "contract") -> None:
    with world.database.writing() as db:
        acme = organization.with_slug(db, "acme")
        enforcement.enforce(
            db, world.site.sealer, world.settings, acme, by="operator", reason=reason, now=world.clock.now
        )


# --- Before ------------------------------------------------------------------------------------------------------


def test_nothing_is_missing_when_everything_is_there(world: World) -> None:
    company(world)
    assert missing(world) == set()


LACKING = {
    "plan": "UPDATE organizations SET plan = 'scale'",
    "domain": "UPDATE organization_domains SET verified_at = NULL",
    "connection": "UPDATE connections SET state = 'off'",
    "sign_in": "DELETE FROM sessions",
    "break_glass": "UPDATE members SET break_glass_at = NULL",
}


@pytest.mark.requirement("TEN-17", "TEN-19", "PWD-14")
@pytest.mark.parametrize(("name", "change"), LACKING.items())
def test_what_is_missing_is_named_and_nothing_is_enforced(world: World, name: str, change: str) -> None:
    company(world)
    world.sql(change)
    with pytest.raises(EnforcementNotReady) as refused:
        require(world)
    assert name in refused.value.facts["missing"].split(", ")
    assert world.value("SELECT sso_enforced_at FROM organizations") is None


@pytest.mark.requirement("PWD-14")
@pytest.mark.parametrize("table", ["passwords", "second_factors"])
def test_an_emergency_owner_without_password_or_factor_does_not_count(world: World, table: str) -> None:
    company(world)
    world.sql(f"DELETE FROM {table}")
    assert missing(world) == {"break_glass"}


@pytest.mark.requirement("TEN-17")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET method = 'password'",
        "UPDATE sessions SET connection_id = 'conn_other'",
        "UPDATE members SET role = 'member'",
    ],
)
def test_only_an_admins_real_sign_in_through_the_connection_counts(world: World, change: str) -> None:
    company(world)
    world.sql(change)
    assert "sign_in" in missing(world)


@pytest.mark.requirement("TEN-17", "TST-14")
def test_the_sign_in_counts_for_a_day_to_the_second(world: World) -> None:
    company(world)
    signed_in_at = world.clock.now
    for seconds, counts in ((-1, True), (0, True), (1, False)):
        world.clock.now = signed_in_at + timedelta(hours=24, seconds=seconds)
        assert ("sign_in" not in missing(world)) is counts


@pytest.mark.requirement("TEN-17")
def test_a_sign_in_from_before_the_connection_was_activated_does_not_count(world: World) -> None:
    company(world)
    world.clock.advance(minutes=5)
    world.sql("UPDATE connections SET activated_at = :now", now=world.clock.now)
    assert missing(world) == {"sign_in"}


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_reason_is_needed_both_ways(world: World, reason: str) -> None:
    made = company(world)
    with pytest.raises(ReasonMissing):
        require(world, reason)
    with pytest.raises(ReasonMissing), world.database.writing() as db:
        enforcement.relax(
            db, world.site.sealer, world.settings, made.organization, by="operator", reason=reason, now=world.clock.now
        )


def test_the_effect_counts_people_inside_outside_and_not_yet_connected(world: World) -> None:
    made = company(world)
    world.person("ann@acme.test", made.organization)
    world.person("guest@elsewhere.test", made.organization)
    world.sql("UPDATE members SET status = 'suspended' WHERE user_id = :id",
              id=world.person("gone@acme.test", made.organization).id)  # fmt: skip
    with world.database.reading() as db:
        assert enforcement.effect(db, made.organization) == enforcement.Effect(inside=2, outside=1, without_link=1)


# --- The moment --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-18", "SES-11")
def test_sessions_that_a_password_opened_end_at_once(world: World) -> None:
    made = company(world)
    world.person("ann@acme.test", made.organization)
    by_password, by_sso, emergency = world.visitor(), world.visitor(), world.visitor()
    world.sign_in(by_password, "ann@acme.test")
    world.saml_sign_in(by_sso, made.connection, "bob@acme.test")
    break_glass(world, emergency, made)
    require(world)
    assert by_password.get("/").location.endswith("/login")
    assert emergency.get("/").location.endswith("/login")
    assert by_sso.get("/").status == 200
    world.clock.advance(seconds=30)
    assert break_glass(world, emergency, made).location.endswith("/")  # they can come back


@pytest.mark.requirement("TEN-18")
def test_a_session_that_slipped_through_is_refused_on_its_next_request(world: World) -> None:
    made = company(world)
    world.person("ann@acme.test", made.organization)
    visitor = world.visitor()
    world.sign_in(visitor, "ann@acme.test")
    world.sql("UPDATE organizations SET sso_enforced_at = :now", now=world.clock.now)
    assert visitor.get("/").location.endswith("/login")
    assert world.value("SELECT count(*) FROM sessions WHERE ended_at IS NULL AND method = 'password'") == 1


def test_everybody_is_told_with_the_address(world: World) -> None:
    made = company(world)
    world.person("ann@acme.test", made.organization)
    world.person("guest@elsewhere.test", made.organization)
    require(world)
    for address in ("olga@acme.test", "ann@acme.test", "guest@elsewhere.test"):
        letter = world.letters(address)[-1]
        assert "SSO" in letter["Subject"]
        assert "https://llm-ops.test/login/sso/acme" in text_of(letter)


def test_enforcing_twice_changes_and_tells_nothing(world: World) -> None:
    made = enforced(world)
    before, letters = world.counts(), len(world.letters())
    enforce(world, made.organization)
    assert (world.counts(), len(world.letters())) == (before, letters)


@pytest.mark.requirement("SEC-07")
def test_both_ways_are_recorded_with_their_reason(world: World) -> None:
    made = enforced(world)
    relax(world, made.organization)
    for action, reason in (("sso.enforced", "contract"), ("sso.relaxed", "idp moves")):
        facts = world.value("SELECT facts FROM audit_entries WHERE action = :action", action=action)
        assert reason in str(facts)


def test_relaxing_opens_the_door_again_and_tells_the_owners(world: World) -> None:
    made = enforced(world)
    world.person("ann@acme.test", made.organization)
    relax(world, made.organization)
    assert "Dashboard" in world.sign_in(world.visitor(), "ann@acme.test").text
    assert "beside SSO again" in world.letters("olga@acme.test")[-1]["Subject"]
    assert world.letters("ann@acme.test") == []


# --- The password form ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-18", "TEN-22")
def test_a_password_is_not_looked_at_where_sso_is_required(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = enforced(world)
    world.person("ann@acme.test", made.organization)
    world.sql("UPDATE members SET status = 'suspended' WHERE user_id = :id",
              id=world.person("sue@acme.test", made.organization).id)  # fmt: skip
    monkeypatch.setattr("llmops.accounts.passwords.matches", lambda *_: pytest.fail("looked at"))
    seen = set()
    for address in ("ann@acme.test", "sue@acme.test", "nobody@acme.test", "olga@acme.test"):
        for password in (PASSWORD, "wrong" * 4):
            page = typed(world, address, password)
            body = re.sub(r'(csrf_token" value=")[^"]+', r"\1", page.html).replace(address, "ADDRESS")
            seen.add((page.status, body))
    assert len(seen) == 1
    assert world.value("SELECT count(*) FROM sessions WHERE method = 'password'") == 0


@pytest.mark.requirement("TEN-18")
def test_the_sso_field_is_filled_and_focused(world: World) -> None:
    enforced(world)
    page = typed(world, "Ann@acme.test")
    assert "Your organization signs in with SSO" in page.text
    assert page.form("/login/sso").fields["email"] == "Ann@acme.test"
    [focused] = page.document.xpath("//*[@autofocus]")
    assert focused.get("id") == "sso_email"
    assert page.link("Named emergency owners sign in here").endswith("/login/break-glass")


@pytest.mark.requirement("TEN-18")
def test_next_is_kept_on_the_way_to_sso(world: World) -> None:
    enforced(world)
    visitor = world.visitor()
    page = visitor.submit(visitor.get("/login?next=/settings/team"), "/login", email="ann@acme.test", password=PASSWORD)
    assert page.form("/login/sso").fields["next"] == "/settings/team"


@pytest.mark.requirement("TEN-18")
def test_the_emergency_door_is_not_shown_to_others(world: World) -> None:
    enforced(world)
    assert "emergency" not in world.visitor().get("/login").text


@pytest.mark.requirement("TEN-18")
def test_an_address_from_elsewhere_does_not_help_a_member(world: World) -> None:
    made = enforced(world)
    world.person("guest@elsewhere.test", made.organization)
    assert typed(world, "guest@elsewhere.test", "wrong" * 4).status == 401
    page = typed(world, "guest@elsewhere.test")
    assert (page.status, "sso_required" in page.text) == (403, True)
    assert world.value("SELECT count(*) FROM sessions WHERE method = 'password'") == 0


@pytest.mark.requirement("TEN-18", "TEN-03")
def test_who_is_at_home_in_another_organization_lands_there(world: World) -> None:
    made = enforced(world)
    guest = world.person("guest@elsewhere.test", made.organization)
    other = world.organization("Other", domain=None)
    with world.database.writing() as db:
        members.join(db, other, guest.id, role=Role.MEMBER, how="operator", now=world.clock.now)
    page = world.sign_in(world.visitor(), "guest@elsewhere.test")
    assert "Other" in page.text
    assert "Acme" not in page.text


@pytest.mark.requirement("TEN-07", "TEN-18")
def test_a_mere_claim_takes_nobodys_password_away(world: World) -> None:
    made = enforced(world)
    other = world.organization("Other", domain="other.test")
    world.person("pat@other.test", other)
    world.sql(
        "INSERT INTO organization_domains (id, organization_id, domain, dns_token, created_at) "
        "VALUES ('dom_x', :id, 'other.test', 'x', :now)", id=made.organization.id, now=world.clock.now,
    )  # fmt: skip
    assert "Dashboard" in world.sign_in(world.visitor(), "pat@other.test").text


@pytest.mark.requirement("TEN-18")
def test_a_lower_plan_later_does_not_open_the_door_again(world: World) -> None:
    made = enforced(world)
    world.person("ann@acme.test", made.organization)
    world.sql("UPDATE organizations SET plan = :plan", plan=Plan.STARTER)
    assert typed(world, "ann@acme.test").status == 403


# --- Reset and sign-up ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("PWD-08", "TEN-18")
def test_the_letter_of_a_reset_points_to_sso(world: World) -> None:
    made = enforced(world)
    world.person("ann@acme.test", made.organization)
    world.person("guest@elsewhere.test", made.organization)
    pages = set()
    for address in ("ann@acme.test", "guest@elsewhere.test", "nobody@acme.test"):
        visitor = world.visitor()
        page = visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=address)
        pages.add(page.text.replace(address, "ADDRESS"))
    assert len(pages) == 1
    for address in ("ann@acme.test", "guest@elsewhere.test"):
        letter = text_of(world.letters(address)[-1])
        assert "/login/sso/acme" in letter
        assert "/login/reset" not in letter
    assert world.letters("nobody@acme.test") == []
    assert world.counts()["one_time_links"] == 0


@pytest.mark.requirement("PWD-08", "TEN-18")
def test_a_reset_link_from_before_does_not_work_any_more(world: World) -> None:
    made = company(world)
    world.person("ann@acme.test", made.organization)
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="ann@acme.test")
    form = visitor.follow(visitor.get(world.link("ann@acme.test", "/login/reset")))
    stored = world.value("SELECT max(set_at) FROM passwords")
    enforce(world, made.organization)
    page = visitor.submit(form, "/login/reset", password=NEW_PASSWORD)
    assert (page.status, "Your organization signs in with SSO" in page.text) == (403, True)
    assert visitor.follow(visitor.get("/login/reset")).status == 403
    assert world.value("SELECT max(set_at) FROM passwords") == stored


@pytest.mark.requirement("TEN-19", "PWD-08", "PWD-14")
def test_an_emergency_owner_keeps_the_reset_but_not_without_the_code(world: World) -> None:
    made = enforced(world)
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=made.owner.email)
    form = visitor.follow(visitor.get(world.link(made.owner.email, "/login/reset")))
    visitor.submit(form, "/login/reset", password=NEW_PASSWORD)
    assert break_glass(world, visitor, made, password=NEW_PASSWORD, code="000000").status == 401
    assert break_glass(world, visitor, made, password=NEW_PASSWORD).status == 303


def sign_up(world: World, address: str) -> Page:
    visitor = world.visitor()
    fields = {"first_name": "Ann", "last_name": "Lee", "email": address, "organization_name": "My own"}
    return visitor.submit(visitor.get("/signup"), "/signup", **fields, password=NEW_PASSWORD)


@pytest.mark.requirement("TEN-18", "PWD-05")
def test_signing_up_with_an_address_of_the_domain_leads_to_sso(world: World) -> None:
    enforced(world)
    assert "Check your mail" in sign_up(world, "new@acme.test").text
    letter = text_of(world.letters("new@acme.test")[-1])
    assert "/login/sso/acme" in letter
    assert "/signup/verify" not in letter


@pytest.mark.requirement("TEN-18")
def test_a_sign_up_from_before_makes_no_account_any_more(world: World) -> None:
    made = company(world)
    sign_up(world, "new@acme.test")
    visitor = world.visitor()
    page = visitor.follow(visitor.get(world.link("new@acme.test", "/signup/verify")))
    enforce(world, made.organization)
    answer = visitor.submit(page, "/signup/verify", password=NEW_PASSWORD)
    assert answer.status == 403
    assert world.value("SELECT count(*) FROM users WHERE email = 'new@acme.test'") == 0


@pytest.mark.requirement("TEN-18")
def test_sso_itself_goes_on(world: World) -> None:
    made = enforced(world)
    page = world.saml_sign_in(world.visitor(), made.connection, "ann@acme.test")
    assert (error_of(page), page.status) == ("", 200)


@pytest.mark.requirement("TEN-18")
def test_the_second_step_does_not_lead_past_a_requirement_that_came_between(world: World) -> None:
    made = company(world)
    visitor = world.visitor()
    page = world.sign_in(visitor, made.owner.email)
    assert page.url.endswith("/login/code")
    enforce(world, made.organization)
    answer = visitor.submit(page, "/login/code", code=code(world, made.secret))
    assert error_of(answer) == "sso_required"
    assert visitor.get("/").location.endswith("/login")
