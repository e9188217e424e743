"""Activate: what must hold, who is told, and when an owner has to agree (ADM-04, TEN-12)."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from oidc import provider as op
from saml.keys import Signer, signer
from support import portal
from support.visitor import Visitor
from world import BASE_URL, World, error_of, request_id_of

from llmops.app import application
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal.links import Intent
from llmops.broker.saml import metadata
from llmops.errors import OutboundUnreachable
from llmops.organizations import domains
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role

OTHER = "https://other-idp.example.test/metadata"


def ready(world: World, acme: Organization) -> Visitor:
    """A browser in which everything but the test is done."""
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    portal.give_metadata(visitor, portal.document())
    return visitor


def stored(world: World, connection: Connection) -> Connection:
    with world.database.reading() as db:
        return connections.get(db, connection.id)


def missing(visitor: Visitor) -> list[str]:
    """What the page says is missing, after somebody tried all the same."""
    refused = portal.post(visitor, "/portal/activate")
    assert refused.status == 409
    return [text for text, _ in refused.links if text.startswith("Do it now")]


@pytest.mark.requirement("ADM-04")
def test_nothing_is_activated_that_was_not_tested(world: World) -> None:
    acme = world.organization()
    visitor = ready(world, acme)
    [what] = missing(visitor)
    assert "test sign-in" in what
    assert portal.working(world, acme).state == "draft"


@pytest.mark.requirement("ADM-04")
def test_a_test_of_yesterday_does_not_count(world: World) -> None:
    acme = world.organization()
    visitor = ready(world, acme)
    portal.pass_test(world, portal.working(world, acme), hours_ago=24.1)
    assert len(missing(visitor)) == 1
    portal.pass_test(world, portal.working(world, acme), hours_ago=23.9)
    assert portal.post(visitor, "/portal/activate").location == f"{BASE_URL}/portal/finish?done=active"


@pytest.mark.requirement("ADM-04")
def test_a_test_of_what_was_there_before_a_change_does_not_count(world: World) -> None:
    acme = world.organization()
    visitor = ready(world, acme)
    portal.pass_test(world, portal.working(world, acme))
    portal.give_metadata(visitor, portal.document(by=[signer("another")]))
    assert len(missing(visitor)) == 1


def test_all_that_is_missing_is_said_at_once(world: World) -> None:
    acme = world.organization(verified=False)
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    assert len(missing(visitor)) == 3


@pytest.mark.requirement("TEN-05")
def test_without_a_verified_domain_nothing_is_activated(world: World) -> None:
    acme = world.organization(verified=False)
    visitor = ready(world, acme)
    portal.pass_test(world, portal.working(world, acme))
    [what] = missing(visitor)
    assert "domain" in what


def test_the_first_connection_goes_live_at_once_and_everybody_concerned_is_told(world: World) -> None:
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    world.person("member@acme.test", acme)
    made, path = portal.link(world, acme, contacts=["it@acme.test"])
    visitor = portal.enter(world, path)
    portal.choose(visitor)
    portal.give_metadata(visitor, portal.document())
    portal.pass_test(world, portal.working(world, acme))
    page = visitor.get("/portal/activate")
    finish = visitor.follow(visitor.submit(page, "/portal/activate"))
    assert "SSO is active" in finish.text
    assert f"{BASE_URL}/login/sso/acme" in finish.text
    assert "1 Jan 2031" in finish.text
    assert "remind it@acme.test" in finish.text
    letters = [letter for letter in world.letters() if letter["Subject"] == "Acme: SSO is active"]
    assert sorted(str(letter["To"]) for letter in letters) == ["it@acme.test", "owner@acme.test"]
    assert portal.working(world, acme).contacts == ["it@acme.test"]
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'connection.activated'") == 1
    assert world.value("SELECT done_at FROM portal_links WHERE id = :id", id=made.id) is not None
    after = world.visitor()
    assert world.depart(after).startswith("https://idp.example.test/sso")


@pytest.mark.requirement("ADM-02")
@pytest.mark.parametrize("intent", [Intent.RENEW_CERTIFICATE, Intent.ROTATE_SECRET])
def test_a_link_for_a_repair_puts_no_first_connection_in_charge(world: World, intent: Intent) -> None:
    acme = world.organization()
    ready(world, acme)
    portal.pass_test(world, portal.working(world, acme))
    assert portal.post(portal.inside(world, acme, intent=intent), "/portal/activate").status == 403
    assert portal.working(world, acme).state == "draft"


def test_activating_twice_does_it_once(world: World) -> None:
    acme = world.organization()
    visitor = ready(world, acme)
    portal.pass_test(world, portal.working(world, acme))
    assert portal.post(visitor, "/portal/activate").location == f"{BASE_URL}/portal/finish?done=active"
    assert portal.post(visitor, "/portal/activate").location == f"{BASE_URL}/portal/finish?done=unchanged"
    assert len([letter for letter in world.letters("it@acme.test") if "active" in letter["Subject"]]) == 1


@pytest.mark.requirement("ADM-04", "TEN-02")
def test_a_change_of_a_live_connection_is_inert_until_it_is_activated(world: World) -> None:
    acme = world.organization()
    live = portal.live(world, acme)
    visitor = portal.inside(world, acme)
    portal.give_metadata(visitor, portal.document(entity_id=OTHER, by=[signer("another")]))
    draft = portal.working(world, acme)
    assert (draft.draft_of, draft.idp_entity_id) == (live.id, OTHER)
    assert vars(stored(world, live)) == vars(live)
    page = world.saml_sign_in(world.visitor(), live)
    assert (page.status, page.url) == (200, f"{BASE_URL}/?welcome=1")


ADDRESS = "https://idp.example.test/metadata.xml"


def read_from(world: World, connection: Connection, address: str, *, by: Sequence[Signer], sso: str = "") -> Connection:
    """The connection as it is after its metadata was read at an address."""
    idp = metadata.read(portal.document(by=by), now=world.clock.now)
    with world.database.writing() as db:
        told = replace(idp, sso_url=sso or idp.sso_url)
        connections.set_saml(db, connection, told, metadata_url=address, sign_requests=False)
        return connections.get(db, connection.id)


def draft_beside(world: World, live: Connection) -> Connection:
    with world.database.writing() as db:
        return drafts.begin(db, world.site.sealer, live, now=world.clock.now)


def test_a_further_certificate_from_the_address_in_charge_takes_its_place_at_once(world: World) -> None:
    acme = world.organization()
    live = read_from(world, portal.live(world, acme), ADDRESS, by=[signer()])
    visitor = portal.inside(world, acme, intent=Intent.RENEW_CERTIFICATE)
    read_from(world, draft_beside(world, live), ADDRESS, by=[signer(), signer("another")])
    portal.pass_test(world, portal.working(world, acme))
    assert portal.post(visitor, "/portal/activate").location == f"{BASE_URL}/portal/finish?done=active"
    now = stored(world, live)
    assert (now.state, len(now.idp_certificates)) == ("active", 2)
    assert world.value("SELECT count(*) FROM connections") == 1
    [letter] = world.letters("it@acme.test")
    assert letter["Subject"] == "Acme: the SSO settings have changed"


@pytest.mark.requirement("ADM-02", "ADM-04", "TEN-12")
def test_a_link_for_the_certificate_cannot_add_the_visitors_own_key_and_sign_in_as_an_owner(world: World) -> None:
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    live = portal.live(world, acme)
    attacker = portal.inside(world, acme, intent=Intent.RENEW_CERTIFICATE)
    portal.give_metadata(attacker, portal.document(by=[signer(), signer("another")]))
    request_id = request_id_of(portal.post(attacker, "/portal/test/start").location or "")
    forged = world.response(live, request_id, by=signer("another"))
    assert "passed" in attacker.follow(world.post_response(attacker, live, forged)).text
    assert portal.post(attacker, "/portal/activate").location == f"{BASE_URL}/portal/activate?done=asked"
    assert vars(stored(world, live)) == vars(live)
    page = world.saml_sign_in(world.visitor(), live, by=signer("another"))
    assert error_of(page) == "saml_key_unknown"


@pytest.mark.requirement("ADM-04", "TEN-12")
@pytest.mark.parametrize(
    ("address", "sso"),
    [("https://evil.example.test/metadata", ""), (ADDRESS, "https://evil.example.test/sso")],
    ids=["metadata address", "sign-in address"],
)
def test_another_address_to_read_keys_from_or_to_send_people_to_waits_for_an_owner(
    world: World, address: str, sso: str
) -> None:
    acme = world.organization()
    live = read_from(world, portal.live(world, acme), ADDRESS, by=[signer()])
    visitor = portal.inside(world, acme, intent=Intent.RENEW_CERTIFICATE)
    read_from(world, draft_beside(world, live), address, by=[signer()], sso=sso)
    portal.pass_test(world, portal.working(world, acme))
    assert portal.post(visitor, "/portal/activate").location == f"{BASE_URL}/portal/activate?done=asked"
    assert vars(stored(world, live)) == vars(live)


CHANGES = {
    "entity ID": portal.document(entity_id=OTHER),
    "last key": portal.document(by=[signer("another")]),
}


@pytest.mark.requirement("ADM-04", "TEN-12")
@pytest.mark.parametrize("what", CHANGES)
def test_another_issuer_or_other_keys_wait_for_an_owner(world: World, what: str) -> None:
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    live = portal.live(world, acme)
    visitor = portal.inside(world, acme)
    portal.give_metadata(visitor, CHANGES[what])
    draft = portal.working(world, acme)
    portal.pass_test(world, draft)
    assert "An owner must agree" in visitor.get("/portal/activate").text
    answer = portal.post(visitor, "/portal/activate")
    assert answer.location == f"{BASE_URL}/portal/activate?done=asked"
    assert vars(stored(world, live)) == vars(live)
    assert stored(world, draft).approval_asked_at == world.clock.now
    assert "Waiting for an owner" in visitor.follow(answer).text
    portal.post(visitor, "/portal/activate")
    letters = [letter for letter in world.letters("owner@acme.test") if "approve" in letter["Subject"]]
    assert len(letters) == 1
    assert f"{BASE_URL}/settings/security" in letters[0].as_string()
    asked = world.value("SELECT target FROM audit_entries WHERE action = 'connection.approval_asked'")
    assert asked == live.id


@pytest.mark.requirement("TEN-12")
def test_a_change_after_the_question_ends_it(world: World) -> None:
    acme = world.organization()
    portal.live(world, acme)
    visitor = portal.inside(world, acme)
    portal.give_metadata(visitor, portal.document(entity_id=OTHER))
    draft = portal.working(world, acme)
    portal.pass_test(world, draft)
    portal.post(visitor, "/portal/activate")
    portal.give_metadata(visitor, portal.document(entity_id="https://evil.example.test", by=[signer("another")]))
    now = stored(world, draft)
    assert (now.approval_asked_at, now.tested_at) == (None, None)


@pytest.mark.requirement("TEN-12")
def test_another_provider_for_a_live_connection_waits_for_an_owner(world: World) -> None:
    acme = world.organization()
    live = portal.live(world, acme)
    visitor = portal.inside(world, acme)
    portal.choose(visitor, Kind.KEYCLOAK_SAML)
    portal.give_metadata(visitor, portal.document(entity_id=OTHER), "/portal/keycloak-saml/metadata")
    draft = portal.working(world, acme)
    assert (draft.kind, draft.draft_of, draft.sp_certificate) == (Kind.KEYCLOAK_SAML, live.id, live.sp_certificate)
    portal.pass_test(world, draft)
    assert portal.post(visitor, "/portal/activate").location == f"{BASE_URL}/portal/activate?done=asked"
    assert stored(world, live).kind == Kind.OKTA_SAML
    with world.database.writing() as db:
        promoted = drafts.promote(db, world.site.sealer, stored(world, draft))
    assert (promoted.id, promoted.kind) == (live.id, Kind.KEYCLOAK_SAML)
    assert connections.private_key_pem(promoted, world.site.sealer) == connections.private_key_pem(
        live, world.site.sealer
    )


@pytest.mark.requirement("ADM-02")
def test_a_link_for_the_certificate_takes_no_other_provider(world: World) -> None:
    acme = world.organization()
    live = portal.live(world, acme)
    visitor = portal.inside(world, acme, intent=Intent.RENEW_CERTIFICATE)
    refused = portal.give_metadata(visitor, portal.document(entity_id=OTHER))
    assert (refused.status, "another identity provider" in refused.text) == (400, True)
    assert portal.working(world, acme).id == live.id


def test_a_prepared_change_can_be_thrown_away(world: World) -> None:
    acme = world.organization()
    live = portal.live(world, acme)
    visitor = portal.inside(world, acme)
    portal.give_metadata(visitor, portal.document(entity_id=OTHER))
    page = visitor.follow(visitor.submit(visitor.get("/portal"), "/portal/discard"))
    assert "The prepared change is gone" in page.text
    assert portal.working(world, acme).id == live.id


def test_a_new_secret_takes_its_place_at_once(world: World) -> None:
    acme = world.organization()
    live = world.oidc(acme, op.provider(), client_id="client-1")
    visitor = portal.inside(world, acme, intent=Intent.ROTATE_SECRET)
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, live, now=world.clock.now)
        connections.set_oidc(
            db, world.site.sealer, draft, op.provider(), client_id="client-1", client_secret="the new one"
        )
    portal.pass_test(world, portal.working(world, acme))
    assert portal.post(visitor, "/portal/activate").location == f"{BASE_URL}/portal/finish?done=active"
    assert connections.client_secret(stored(world, live), world.site.sealer) == "the new one"


# --- Domains ---------------------------------------------------------------------------------------------------------


def answering(world: World, *records: str) -> None:
    """From now on every TXT look-up gives this."""
    world.site = replace(world.site, resolve_txt=lambda name: records)
    world.app = application(world.site)


def value_of(world: World, acme: Organization) -> str:
    with world.database.reading() as db:
        return domains.txt_value(domains.of_organization(db, acme.id)[0])


@pytest.mark.requirement("TEN-07")
def test_a_domain_is_proven_from_the_portal(world: World) -> None:
    acme = world.organization(verified=False)
    answering(world, "v=spf1 -all", value_of(world, acme))
    visitor = portal.inside(world, acme, intent=Intent.VERIFY_DOMAIN)
    page = visitor.get("/portal/domains")
    assert "_llmops.acme.test" in page.text
    assert value_of(world, acme) in page.text
    done = visitor.follow(visitor.submit(page, "/portal/domains/check"))
    assert "The domain is verified." in done.text
    assert world.value("SELECT verified_how FROM organization_domains") == "dns"
    assert world.value("SELECT done_at FROM portal_links") is not None


@pytest.mark.requirement("TEN-07")
def test_a_wrong_record_proves_nothing(world: World) -> None:
    acme = world.organization(verified=False)
    answering(world, "llmops-verification=somebody-elses")
    visitor = portal.inside(world, acme)
    refused = visitor.submit(visitor.get("/portal/domains"), "/portal/domains/check")
    assert (refused.status, "The TXT record was not found yet" in refused.text) == (409, True)
    assert world.value("SELECT verified_at FROM organization_domains") is None


def test_a_silent_name_server_is_told_of_on_the_page(world: World) -> None:
    acme = world.organization(verified=False)

    def silent(name: str) -> list[str]:
        raise OutboundUnreachable(host=name)

    world.site = replace(world.site, resolve_txt=silent)
    world.app = application(world.site)
    visitor = portal.inside(world, acme)
    refused = visitor.submit(visitor.get("/portal/domains"), "/portal/domains/check")
    assert refused.status == 502
    assert "Verify your domain" in refused.text


def test_a_domain_can_be_added_before_anything_is_live(world: World) -> None:
    acme = world.organization(domain=None)
    visitor = portal.inside(world, acme)
    page = visitor.get("/portal/domains")
    assert visitor.submit(page, "/portal/domains", domain="gmail.com").status == 422
    added = visitor.follow(visitor.submit(page, "/portal/domains", domain="Acme.test"))
    assert "_llmops.acme.test" in added.text
    assert world.value("SELECT verified_at FROM organization_domains") is None


@pytest.mark.requirement("TEN-12")
def test_no_domain_is_added_to_a_live_connection(world: World) -> None:
    acme = world.organization()
    portal.live(world, acme)
    visitor = portal.inside(world, acme)
    assert portal.post(visitor, "/portal/domains", domain="victim.test").status == 409
    assert world.value("SELECT count(*) FROM organization_domains") == 1
