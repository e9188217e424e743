"""Settings → Security: who may see it, what it tells, and each act of an owner, refused to everybody else."""

from typing import Any

import pytest
from saml.keys import signer
from support import portal
from support.page import Page
from support.visitor import Visitor
from world import BASE_URL, World

from llmops.accounts import factors
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent
from llmops.db.tables import change
from llmops.organizations import domains
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role

PAGE = "/settings/security"


@pytest.fixture
def acme(world: World) -> Organization:
    made = world.organization()
    for name, role in (("olga", Role.OWNER), ("adam", Role.ADMIN), ("mia", Role.MEMBER)):
        world.person(f"{name}@acme.test", made, role=role)
    return made


def signed_in(world: World, name: str = "olga@acme.test") -> Visitor:
    visitor = world.visitor()
    world.sign_in(visitor, name)
    return visitor


def act(visitor: Visitor, path: str, **fields: str) -> Page:
    """Send one of the page's forms, with the page's own token."""
    token = str(visitor.get(PAGE).forms[0].fields["csrf_token"])
    return visitor.post(f"{PAGE}/{path}", {"csrf_token": token, **fields})


def waiting_change(world: World, live: Connection, **changes: object) -> str:
    """A tested draft beside a live connection that asks an owner."""
    values = {"idp_entity_id": "https://new.example.test", "tested_at": world.clock.now, **changes}
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, live, now=world.clock.now)
        change(db, Connection, {"id": draft.id}, approval_asked_at=world.clock.now, **values)
        return draft.id


def approve(owner: Visitor) -> Page:
    """Press the button beside the change that waits."""
    return owner.submit(owner.get(PAGE), f"{PAGE}/changes/approve")


def connection(world: World, connection_id: str) -> Connection:
    with world.database.reading() as db:
        return connections.get(db, connection_id)


def entries(world: World, action: str) -> int:
    return int(world.value("SELECT count(*) FROM audit_entries WHERE action = :action", action=action))


@pytest.mark.parametrize(("who", "status"), [("olga", 200), ("adam", 200), ("mia", 403)])
def test_owners_and_admins_see_it_members_do_not(world: World, acme: Organization, who: str, status: int) -> None:
    assert signed_in(world, f"{who}@acme.test").get(PAGE).status == status


ACTS: list[tuple[str, dict[str, str]]] = [
    ("links", {"intent": "setup_sso", "contacts": "it@acme.test"}),
    ("links/revoke", {"link": "plink_x"}),
    ("changes/approve", {"draft": "conn_x"}),
    ("changes/reject", {"draft": "conn_x"}),
    ("contacts", {"connection": "conn_x", "it_contacts": ""}),
    ("off", {"connection": "conn_x"}),
    ("domains/claim", {"domain": "acme.example"}),
    ("domains/check", {"domain": "acme.test"}),
    ("domains/remove", {"domain": "acme.test"}),
    ("break-glass/name", {"user": "user_x"}),
    ("break-glass/unname", {"user": "user_x"}),
]


@pytest.mark.requirement("ADM-03", "TEN-12")
@pytest.mark.parametrize(("path", "fields"), ACTS)
def test_an_admin_changes_nothing_here(world: World, acme: Organization, path: str, fields: dict[str, str]) -> None:
    admin = signed_in(world, "adam@acme.test")
    admin.get(PAGE)
    before = world.counts()
    assert act(admin, path, **fields).status == 403
    assert world.counts() == before


@pytest.mark.requirement("SES-12")
@pytest.mark.parametrize(
    ("path", "fields"), [one for one in ACTS if one[0] not in ("links/revoke", "changes/reject", "domains/check")]
)
def test_an_owner_who_signed_in_long_ago_confirms_first(
    world: World, acme: Organization, path: str, fields: dict[str, str]
) -> None:
    owner = signed_in(world)
    owner.get(PAGE)
    world.clock.advance(minutes=11)
    assert (act(owner, path, **fields).location or "").startswith(f"{BASE_URL}/confirm?next={PAGE}")


def test_an_organization_without_sso_is_told_the_way(world: World) -> None:
    world.person("olga@acme.test", world.organization(domain=None), role=Role.OWNER)
    page = signed_in(world).get(PAGE)
    assert "Not set up" in page.text
    assert "Send your IT administrator a link" in page.text


def test_a_live_connection_shows_certificate_domains_and_address(world: World, acme: Organization) -> None:
    world.saml(acme)
    page = signed_in(world).get(PAGE)
    for told in ("Active", "Certificate valid until", "acme.test", f"{BASE_URL}/login/sso/acme"):
        assert told in page.text


def test_a_failure_after_the_last_success_needs_attention(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    world.saml_sign_in(world.visitor(), live, "ann@acme.test")
    world.clock.advance(minutes=1)
    owner = signed_in(world)
    assert "Needs attention" not in owner.get(PAGE).text
    world.saml_sign_in(world.visitor(), live, "ann@acme.test", by=signer("stranger"))
    assert "Needs attention" in owner.get(PAGE).text


# --- Links -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("ADM-03")
def test_a_link_is_sent_recorded_and_told_to_the_owners(world: World, acme: Organization) -> None:
    page = act(signed_in(world), "links", intent="renew_certificate", contacts="it@acme.test, two@acme.test")
    assert page.location == f"{BASE_URL}{PAGE}?done=link"
    for address in ("it@acme.test", "two@acme.test"):
        assert "/portal/start?token=" in world.link(address, "/portal/start")
    assert "Admin Portal" in world.letters("olga@acme.test")[-1]["Subject"]
    assert (entries(world, "portal.link_made"), entries(world, "portal.link_sent")) == (1, 1)


def test_a_link_without_address_is_shown_this_once(world: World, acme: Organization) -> None:
    owner = signed_in(world)
    assert "/portal/start?token=" in act(owner, "links", intent="setup_sso", contacts="").text
    assert "/portal/start?token=" not in owner.get(PAGE).html


def test_a_wrong_address_is_named_and_no_link_is_made(world: World, acme: Organization) -> None:
    page = act(signed_in(world), "links", intent="setup_sso", contacts="it@acme.test, nonsense")
    assert page.status == 422
    assert "does not look like an e-mail address" in page.text
    assert world.counts()["portal_links"] == 0


@pytest.mark.requirement("ADM-01")
def test_a_revoked_link_opens_nothing(world: World, acme: Organization) -> None:
    owner = signed_in(world)
    act(owner, "links", intent="setup_sso", contacts="it@acme.test")
    path = world.link("it@acme.test", "/portal/start")
    link_id = str(world.value("SELECT id FROM portal_links"))
    act(owner, "links/revoke", link=link_id)
    visitor = world.visitor()
    assert visitor.follow(visitor.get(path)).status == 410


# --- IT contacts ---------------------------------------------------------------------------------------------------


def save_contacts(owner: Visitor, typed: str) -> Page:
    return owner.submit(owner.get(PAGE), f"{PAGE}/contacts", it_contacts=typed)


def test_who_hears_of_certificates_is_the_owners_choice(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    draft_id = waiting_change(world, live, contacts=["gone@acme.test"])
    owner = signed_in(world)
    assert save_contacts(owner, "IT@acme.test; two@acme.test it@acme.test").location.endswith("?done=contacts")
    for connection_id in (live.id, draft_id):
        assert connection(world, connection_id).contacts == ["it@acme.test", "two@acme.test"]
    assert "it@acme.test, two@acme.test" in world.letters("olga@acme.test")[-1].as_string()
    assert entries(world, "connection.changed") == 1
    save_contacts(owner, "it@acme.test, two@acme.test")
    assert entries(world, "connection.changed") == 1


@pytest.mark.requirement("ADM-02")
def test_whom_an_owner_takes_out_loses_the_links_that_were_sent_to_them(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    with world.database.writing() as db:
        connections.set_contacts(db, live, ["gone@acme.test", "it@acme.test"])
    owner = signed_in(world)
    act(owner, "links", intent="renew_certificate", contacts="gone@acme.test")
    act(owner, "links", intent="rotate_secret", contacts="it@acme.test")
    path = world.link("gone@acme.test", "/portal/start")
    save_contacts(owner, "it@acme.test")
    visitor = world.visitor()
    assert visitor.follow(visitor.get(path)).status == 410
    standing = "SELECT intent FROM portal_links WHERE revoked_at IS NULL"
    assert world.value(standing) == "rotate_secret"


def test_a_contact_that_is_no_address_is_named_and_nothing_is_changed(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    page = save_contacts(signed_in(world), "it@acme.test, nonsense")
    assert page.status == 422
    assert "does not look like an e-mail address" in page.text
    assert "it@acme.test, nonsense" in page.html
    assert connection(world, live.id).contacts == []


# --- A change of the live connection ---------------------------------------------------------------------------


@pytest.mark.requirement("ADM-04", "TEN-12")
def test_an_approved_change_takes_the_live_ones_place(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    waiting_change(world, live)
    owner = signed_in(world)
    shown = owner.get(PAGE).text
    assert "https://new.example.test" in shown
    assert connection(world, live.id).idp_entity_id != "https://new.example.test"
    assert approve(owner).location == f"{BASE_URL}{PAGE}?done=approved"
    assert connection(world, live.id).idp_entity_id == "https://new.example.test"
    assert entries(world, "connection.approved") == 1
    assert "single sign-on was changed" in world.letters("olga@acme.test")[-1]["Subject"]


def test_the_link_is_done_whose_visitor_asked_for_the_approved_change(world: World, acme: Organization) -> None:
    live = portal.live(world, acme)
    visitor = portal.inside(world, acme)
    portal.inside(world, acme, intent=Intent.ROTATE_SECRET)
    portal.give_metadata(visitor, portal.document(entity_id="https://new.example.test"))
    portal.pass_test(world, portal.working(world, acme))
    portal.post(visitor, "/portal/activate")
    done = "SELECT count(*) FROM portal_links WHERE done_at IS NOT NULL"
    assert world.value(done) == 0
    assert approve(signed_in(world)).location == f"{BASE_URL}{PAGE}?done=approved"
    assert connection(world, live.id).idp_entity_id == "https://new.example.test"
    assert world.value(done) == 1
    assert world.value("SELECT intent FROM portal_links WHERE done_at IS NOT NULL") == "setup_sso"


@pytest.mark.requirement("ADM-04")
def test_a_change_whose_test_is_too_old_is_not_approved(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    waiting_change(world, live)
    world.clock.advance(hours=25)
    page = approve(signed_in(world))
    assert page.status == 409
    assert "needs a successful test first" in page.text
    assert connection(world, live.id).idp_entity_id != "https://new.example.test"


@pytest.mark.requirement("ADM-04", "TEN-12")
def test_what_was_put_in_the_changes_place_since_the_owner_looked_is_not_approved(
    world: World, acme: Organization
) -> None:
    live = world.saml(acme)
    draft_id = waiting_change(world, live)
    owner = signed_in(world)
    looked_at = owner.get(PAGE)
    evil = {"idp_entity_id": "https://evil.example.test", "tested_at": world.clock.now}
    with world.database.writing() as db:
        change(db, Connection, {"id": draft_id}, approval_asked_at=world.clock.now, **evil)
    refused = owner.submit(looked_at, f"{PAGE}/changes/approve")
    assert (refused.status, "changed meanwhile" in refused.text) == (409, True)
    assert "https://evil.example.test" in refused.text
    assert vars(connection(world, live.id)) == vars(live)


@pytest.mark.requirement("TEN-12")
def test_an_owner_sees_every_part_of_a_change_that_they_approve(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    waiting_change(
        world, live, metadata_url="https://keys.example.test/m", attribute_map={"email": "mailbox"},
        idp_sso_url="https://page.example.test/sso", allow_unsolicited=True, want_signed="both",
    )  # fmt: skip
    shown = signed_in(world).get(PAGE).text
    for part in ("https://keys.example.test/m", "email: mailbox", "https://page.example.test/sso", "both"):
        assert part in shown
    assert "Sign-ins that the provider begins" in shown


def test_a_rejected_change_is_gone(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    draft_id = waiting_change(world, live)
    act(signed_in(world), "changes/reject", draft=draft_id)
    assert world.counts()["connections"] == 1


@pytest.mark.requirement("ADM-04")
def test_a_draft_that_nobody_asked_about_cannot_be_approved(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    draft_id = waiting_change(world, live)
    world.sql("UPDATE connections SET approval_asked_at = NULL WHERE id = :id", id=draft_id)
    assert act(signed_in(world), "changes/approve", draft=draft_id).status == 404


@pytest.mark.requirement("TEN-20", "ADM-09")
@pytest.mark.parametrize("path", ["changes/approve", "changes/reject", "off", "links/revoke"])
def test_another_organizations_ids_are_not_there(world: World, acme: Organization, path: str) -> None:
    other = world.organization("Birch", domain="birch.test")
    live = world.saml(other)
    draft_id = waiting_change(world, live)
    with world.database.writing() as db:
        link, _ = links.make(
            db, world.site.sealer, other.id, intent=Intent.SETUP_SSO, kind=None, contacts=[], made_by="operator",
            now=world.clock.now,
        )  # fmt: skip
    foreign = {"draft": draft_id, "connection": live.id, "link": link.id}
    absent = {"draft": "conn_absent", "connection": "conn_absent", "link": "plink_absent"}
    owner = signed_in(world)
    answers = [act(owner, path, **ids) for ids in (foreign, absent)]
    assert answers[0].status == answers[1].status >= 404
    assert connection(world, live.id).state == "active"
    assert world.value("SELECT revoked_at FROM portal_links") is None


# --- Off, domains, break-glass ---------------------------------------------------------------------------------


def test_switched_off_nobody_signs_in_through_it(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    act(signed_in(world), "off", connection=live.id)
    assert connection(world, live.id).state == "off"
    sent = world.visitor().submit(world.visitor().get("/login"), "/login/sso", email="ann@acme.test")
    assert "sso_error" in (sent.location or "")
    assert "single sign-on is off" in world.letters("olga@acme.test")[-1]["Subject"]


def test_a_draft_beside_the_live_connection_is_not_switched_off(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    draft_id = waiting_change(world, live)
    assert act(signed_in(world), "off", connection=draft_id).status == 404
    assert connection(world, draft_id).state == "draft"


@pytest.mark.requirement("SES-11", "TEN-21")
@pytest.mark.parametrize("how", ["off", "another issuer"])
def test_what_the_identity_provider_of_before_opened_ends(world: World, acme: Organization, how: str) -> None:
    live, ann = world.saml(acme), world.visitor()
    assert world.saml_sign_in(ann, live, "ann@acme.test").status == 200
    owner = signed_in(world)
    if how == "off":
        act(owner, "off", connection=live.id)
    else:
        draft_id = waiting_change(world, live)
        seen = owner.get(PAGE).form(f"{PAGE}/changes/approve").fields["seen"]
        assert act(owner, "changes/approve", draft=draft_id, seen=str(seen)).status == 303
    assert ann.get("/").status == 303
    assert owner.get("/").status == 200


@pytest.mark.requirement("ADM-04")
def test_switching_off_ends_every_portal_link(world: World, acme: Organization) -> None:
    owner = signed_in(world)
    act(owner, "links", intent="setup_sso", contacts="it@acme.test")
    path = world.link("it@acme.test", "/portal/start")
    act(owner, "off", connection=world.saml(acme).id)
    visitor = world.visitor()
    assert visitor.follow(visitor.get(path)).status == 410


@pytest.mark.requirement("TEN-18")
def test_a_compulsory_connection_is_not_switched_off(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    owner = signed_in(world)
    owner.get(PAGE)
    world.sql("UPDATE organizations SET sso_enforced_at = :now", now=str(world.clock.now))
    world.sql("UPDATE sessions SET method = 'sso'")
    refused = act(owner, "off", connection=live.id)
    assert (refused.status, "compulsory in this organization" in refused.text) == (409, True)
    assert connection(world, live.id).state == "active"


@pytest.mark.requirement("TEN-07")
def test_a_domain_is_claimed_proven_by_dns_and_removed(world: World, acme: Organization) -> None:
    owner = signed_in(world)
    assert act(owner, "domains/claim", domain="Acme.Example").location == f"{BASE_URL}{PAGE}?done=domain"
    missing = act(owner, "domains/check", domain="acme.example")
    assert missing.status == 409
    assert "was not found yet" in missing.text
    with world.database.reading() as db:
        claimed = domains.of(db, acme.id, "acme.example")
    assert claimed is not None
    world.txt[domains.txt_name("acme.example")] = [domains.txt_value(claimed)]
    assert act(owner, "domains/check", domain="acme.example").location == f"{BASE_URL}{PAGE}?done=verified"
    act(owner, "domains/remove", domain="acme.example")
    assert [entries(world, f"domain.{what}") for what in ("claimed", "verified", "removed")] == [1, 1, 1]
    assert "acme.example was removed" in world.letters("olga@acme.test")[-1]["Subject"]


@pytest.mark.parametrize("typed", ["gmail.com", "nonsense", "co.uk", ""])
def test_a_domain_that_no_company_owns_is_refused(world: World, acme: Organization, typed: str) -> None:
    assert act(signed_in(world), "domains/claim", domain=typed).status == 422
    assert world.counts()["organization_domains"] == 1


@pytest.mark.requirement("TEN-19")
def test_only_an_owner_with_password_and_second_factor_is_named(world: World, acme: Organization) -> None:
    owner = signed_in(world)
    user_id = str(world.value("SELECT id FROM users WHERE email = 'olga@acme.test'"))
    assert act(owner, "break-glass/name", user=user_id).status == 409
    with world.database.writing() as db:
        secret = factors.begin(db, world.site.sealer, user_id, now=world.clock.now)
        code = factors.pyotp.TOTP(secret).at(world.clock.now)
        factors.confirm(db, world.site.sealer, user_id, code=code, now=world.clock.now)
    assert act(owner, "break-glass/name", user=user_id).location == f"{BASE_URL}{PAGE}?done=named"
    assert act(owner, "break-glass/unname", user=user_id).location == f"{BASE_URL}{PAGE}?done=unnamed"
    assert [entries(world, f"break_glass.{what}") for what in ("named", "unnamed")] == [1, 1]


# --- Activity --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SEC-05")
def test_an_attempt_is_explained_and_its_reading_recorded(world: World, acme: Organization) -> None:
    live = world.saml(acme)
    world.saml_sign_in(world.visitor(), live, "ann@acme.test", by=signer("stranger"))
    admin = signed_in(world, "adam@acme.test")
    listed = admin.get(f"{PAGE}/activity")
    login_id = str(world.value("SELECT id FROM logins WHERE code IS NOT NULL"))
    assert "Failed" in listed.text
    shown = admin.get(f"{PAGE}/activity/{login_id}")
    assert "Checks" in shown.text
    assert entries(world, "trace.read") == 1


@pytest.mark.requirement("SEC-05", "TEN-20")
def test_another_organizations_attempt_is_not_there(world: World, acme: Organization) -> None:
    other = world.organization("Birch", domain="birch.test")
    world.saml_sign_in(world.visitor(), world.saml(other), "ben@birch.test")
    login_id = str(world.value("SELECT id FROM logins"))
    admin = signed_in(world, "adam@acme.test")
    assert admin.get(f"{PAGE}/activity").text.count("No attempts yet") == 1
    answers: list[Any] = [admin.get(f"{PAGE}/activity/{one}").status for one in (login_id, "login_absent")]
    assert answers[0] == answers[1] == 404
    assert entries(world, "trace.read") == 0
