"""Ways into somebody else's account or organization: each has to stay shut."""

import pytest
from lxml import etree
from support.enforced import second_factor
from support.mailbox import text_of
from world import PASSWORD, World, error_of, request_id_of

from llmops.accounts import passwords, sessions
from llmops.audit.actions import Action
from llmops.broker.saml.names import saml
from llmops.organizations import domains, members
from llmops.organizations.roles import Role
from llmops.plans import Plan

NEW_PASSWORD = "another long evil sentence 99"


@pytest.mark.requirement("TEN-02")
def test_a_code_of_a_connection_that_was_switched_off_signs_nobody_in(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(world.depart(visitor))
    page = world.post_response(visitor, connection, world.response(connection, request_id))
    world.sql("UPDATE connections SET state = 'off'")
    assert error_of(visitor.follow(page)) == "connection_inactive"
    assert world.counts()["users"] == world.counts()["sessions"] == 0


STALE = [
    ("UPDATE organization_domains SET verified_at = NULL", "email_outside_domains"),
    ("UPDATE members SET status = 'removed'", "member_removed"),
    ("UPDATE members SET status = 'suspended'", "member_suspended"),
    ("UPDATE users SET suspended_at = '2026-01-01 00:00:00'", "account_suspended"),
]


@pytest.mark.requirement("TEN-05", "TEN-11", "TEN-15")
@pytest.mark.parametrize(("meanwhile", "code"), STALE)
def test_a_confirmation_is_void_for_whom_a_sign_in_would_refuse(world: World, meanwhile: str, code: str) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=Role.OWNER)
    connection, visitor = world.saml(acme), world.visitor()
    world.saml_sign_in(visitor, connection)
    page = world.open(visitor, world.link("ann@acme.test", "/login/link"))
    world.sql(meanwhile)
    assert error_of(visitor.submit(page, "/login/link")) == code
    assert world.counts()["identities"] == world.counts()["sessions"] == 0


@pytest.mark.requirement("TEN-05", "SES-08")
def test_a_replacement_is_void_once_the_domain_is_lost(world: World) -> None:
    acme = world.organization()
    world.person("bob@acme.test", acme)
    connection, visitor = world.saml(acme), world.visitor()
    world.sign_in(visitor, "bob@acme.test")
    request_id = request_id_of(visitor.get("/login/sso/acme/start").location)
    page = visitor.follow(world.post_response(visitor, connection, world.response(connection, request_id)))
    world.sql("UPDATE organization_domains SET verified_at = NULL")
    assert error_of(visitor.submit(page, "/login/replace")) == "email_outside_domains"


@pytest.mark.requirement("TEN-10", "TEN-11", "SAML-34")
def test_an_answer_nobody_asked_for_links_no_owner_who_is_signed_in(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=Role.OWNER)
    connection, victim = world.saml(acme, allow_unsolicited=True), world.visitor()
    world.sign_in(victim, "ann@acme.test")
    mallorys = world.response(connection, "", style="unsolicited", subject="mallory")
    stopped = victim.follow(world.post_response(victim, connection, mallorys))
    assert error_of(stopped) == "link_proof_needed"
    assert world.counts()["identities"] == 0


@pytest.mark.requirement("TEN-07")
def test_many_claims_do_not_hide_who_has_verified(world: World) -> None:
    for number in range(51):
        world.organization(f"Claims {number}", plan=Plan.STARTER, verified=False)
    world.saml(world.organization())
    assert "SAMLRequest" in world.depart(world.visitor())


@pytest.mark.requirement("TEN-03", "TEN-13")
def test_a_rename_gives_no_way_into_another_organization(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain=None)
    ann = world.person("ann@acme.test", acme)
    with world.database.writing() as db:
        members.join(db, other, ann.id, role=Role.OWNER, how="operator", now=world.clock.now)
    connection = world.saml(acme)
    world.saml_sign_in(world.visitor(), connection, subject="ann")
    world.saml_sign_in(world.visitor(), connection, "mallory@acme.test", subject="ann")
    assert world.value("SELECT email FROM users") == "ann@acme.test"


@pytest.mark.requirement("SAML-36")
def test_links_do_not_pass_to_another_identity_provider(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=Role.OWNER)
    connection, visitor = world.saml(acme), world.visitor()
    world.saml_sign_in(visitor, connection)
    visitor.submit(world.open(visitor, world.link("ann@acme.test", "/login/link")), "/login/link")
    world.sql("UPDATE connections SET idp_entity_id = 'https://new.example.test'")

    def issue(root: etree._Element) -> None:
        for issuer in root.iter(saml("Issuer")):
            issuer.text = "https://new.example.test"

    assert error_of(world.saml_sign_in(world.visitor(), connection, before=[issue])) == "link_proof_needed"


@pytest.mark.requirement("SAML-36")
def test_two_addresses_under_names_of_different_case_are_ambiguous(world: World) -> None:
    connection = world.saml(world.organization())
    both = [("email", ["ann@acme.test"]), ("Email", ["bob@acme.test"]), ("firstName", ["Ann"]), ("lastName", ["Lee"])]
    assert error_of(world.saml_sign_in(world.visitor(), connection, attributes=both)) == "email_ambiguous"


@pytest.mark.requirement("SES-11", "PWD-08")
@pytest.mark.parametrize("old_parameters", [False, True])
def test_a_sign_in_does_not_outrun_the_reset_of_its_password(
    world: World, monkeypatch: pytest.MonkeyPatch, old_parameters: bool
) -> None:
    user = world.person("ann@acme.test", world.organization())
    if old_parameters:
        weak = passwords._HASHER.__class__(memory_cost=8192, time_cost=1, parallelism=1).hash(PASSWORD)
        world.sql("UPDATE passwords SET hash = :weak", weak=weak)
    check = passwords.matches

    def check_while_a_reset_comes(stored: str | None, password: str) -> bool:
        good = check(stored, password)
        with world.database.writing() as db:
            fresh = passwords.hashed(NEW_PASSWORD, context=())
            passwords.store(db, user.id, password_hash=fresh, now=world.clock.now)
            sessions.end_all(db, user.id, now=world.clock.now)
        return good

    monkeypatch.setattr(passwords, "matches", check_while_a_reset_comes)
    assert "Dashboard" not in world.sign_in(world.visitor(), "ann@acme.test").text
    assert world.counts()["sessions"] == 0
    assert check(world.value("SELECT hash FROM passwords"), NEW_PASSWORD)


@pytest.mark.requirement("TEN-08")
def test_an_account_that_nobody_proved_loses_its_second_factor_too(world: World) -> None:
    acme = world.organization()
    squatter = world.person("ann@acme.test", acme, verified=False)
    second_factor(world, squatter)
    assert world.saml_sign_in(world.visitor(), world.saml(acme)).url.endswith("/")
    counts = world.counts()
    assert (counts["passwords"], counts["second_factors"], counts["recovery_codes"]) == (0, 0, 0)


@pytest.mark.requirement("TEN-10", "SES-12")
@pytest.mark.parametrize(("minutes", "code"), [(10, ""), (11, "link_proof_needed")])
def test_a_stolen_session_connects_no_company_sign_in_to_its_owner(world: World, minutes: int, code: str) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme, role=Role.OWNER)
    connection, stolen = world.saml(acme), world.visitor()
    world.sign_in(stolen, "ann@acme.test")
    world.clock.advance(minutes=minutes)
    request_id = request_id_of(stolen.get("/login/sso/acme/start").location or "")
    mallorys = world.response(connection, request_id, subject="mallory")
    landed = stolen.follow(world.post_response(stolen, connection, mallorys))
    assert error_of(landed) == code
    assert world.counts()["identities"] == (0 if code else 1)


@pytest.mark.requirement("SES-11", "TEN-13")
def test_a_new_address_ends_the_sessions_and_letters_of_the_old_one(world: World) -> None:
    acme = world.organization()
    world.person("ann@acme.test", acme)
    connection, elsewhere, reader = world.saml(acme), world.visitor(), world.visitor()
    world.saml_sign_in(world.visitor(), connection, subject="ann")
    world.sign_in(elsewhere, "ann@acme.test")
    reader.submit(reader.get("/login/forgot"), "/login/forgot", email="ann@acme.test")
    letter = world.link("ann@acme.test", "/login/reset")
    world.saml_sign_in(renamed := world.visitor(), connection, "ann.lee@acme.test", names=("Ann", "Doe"), subject="ann")
    assert elsewhere.get("/").status == 303
    assert world.open(reader, letter).status == 410
    assert renamed.get("/").status == 200


@pytest.mark.requirement("PWD-17", "TEN-13")
def test_the_address_of_before_hears_of_a_rename(world: World) -> None:
    acme = world.organization("Acme https://evil.test")
    connection = world.saml(acme)
    world.saml_sign_in(world.visitor(), connection, subject="ann")
    world.saml_sign_in(world.visitor(), connection, "ann.lee@acme.test", subject="ann")
    [letter] = [letter for letter in world.letters() if "address" in letter["Subject"]]
    assert letter["To"] == "ann@acme.test"
    assert "To: ann.lee@acme.test" in text_of(letter)
    assert "evil" not in text_of(letter)
    facts = str(world.value("SELECT facts FROM audit_entries WHERE action = :action", action=Action.MEMBER_RENAMED))
    assert "ann@acme.test" in facts
    assert "ann.lee@acme.test" in facts


@pytest.mark.requirement("TEN-13")
def test_no_letter_goes_out_for_a_rename_that_is_not_taken(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    world.person("bob@acme.test", acme)
    world.saml_sign_in(world.visitor(), connection, subject="ann")
    assert error_of(world.saml_sign_in(world.visitor(), connection, "bob@acme.test", subject="ann")) == "email_taken"
    assert world.letters() == []


@pytest.mark.requirement("TEN-03", "TEN-08")
def test_an_unproven_owner_elsewhere_is_not_taken_over(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain=None)
    ann = world.person("ann@acme.test", other, role=Role.OWNER, verified=False)
    with world.database.writing() as db:
        members.join(db, acme, ann.id, role=Role.MEMBER, how="operator", now=world.clock.now)
    assert error_of(world.saml_sign_in(world.visitor(), world.saml(acme))) == "account_elsewhere"
    counts = world.counts()
    assert (counts["passwords"], counts["identities"], counts["sessions"]) == (1, 0, 0)


@pytest.mark.requirement("TEN-05", "TEN-08")
@pytest.mark.parametrize("claim", ["nobody's", "claimed here", "verified elsewhere"])
def test_only_a_domain_that_this_organization_verified_lets_its_provider_take_over(world: World, claim: str) -> None:
    acme = world.organization()
    ann = world.person("ann@corp.test", acme, role=Role.OWNER, verified=False)
    if claim == "verified elsewhere":
        world.saml(world.organization("Corp", domain="corp.test"))
    if claim == "claimed here":
        with world.database.writing() as db:
            domains.claim(db, acme.id, domain="corp.test", now=world.clock.now)
    world.person("bo@acme.test", acme)
    said = [("email", [ann.email]), ("firstName", ["Ann"]), ("lastName", ["Lee"])]
    landed = world.saml_sign_in(world.visitor(), world.saml(acme), "bo@acme.test", attributes=said)
    assert error_of(landed) == "email_outside_domains"
    assert (world.counts()["passwords"], world.counts()["identities"]) == (2, 0)


@pytest.mark.requirement("TEN-03")
def test_a_companys_sign_in_sets_no_password_that_opens_another_organization(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain=None)
    ann = world.person("ann@acme.test", acme, password=None)
    visitor = world.visitor()
    world.saml_sign_in(visitor, world.saml(acme))
    world.sql("UPDATE sessions SET authenticated_at = :now", now=world.clock.now)
    page = visitor.get("/settings/profile")
    with world.database.writing() as db:
        members.join(db, other, ann.id, role=Role.OWNER, how="operator", now=world.clock.now)
    refused = visitor.submit(page, "/settings/profile/password/first", new=NEW_PASSWORD)
    assert (refused.status, "password_by_letter" in refused.text) == (403, True)
    assert world.counts()["passwords"] == 0
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=ann.email)
    visitor.submit(world.open(visitor, world.link(ann.email, "/login/reset")), "/login/reset", password=NEW_PASSWORD)
    assert world.counts()["passwords"] == 1
