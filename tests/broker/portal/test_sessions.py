"""A session in the portal: its own cookie, its own end, and nothing beyond its organization and purpose (ADM-02)."""

from datetime import timedelta

import pytest
from support import portal
from support.page import Upload
from support.visitor import Visitor
from world import World

from llmops.broker.connections import Kind
from llmops.broker.portal import links, sessions
from llmops.broker.portal.links import Intent
from llmops.organizations.roles import Role


def is_open(visitor: Visitor) -> bool:
    return visitor.get("/portal").status == 200


@pytest.mark.requirement("ADM-02")
def test_without_a_session_the_portal_is_closed_and_no_sign_in_is_offered(world: World) -> None:
    page = world.visitor().get("/portal")
    assert page.status == 403
    assert "portal_closed" in page.text
    assert "Back to sign in" not in page.text


def test_four_quiet_hours_end_a_session(world: World) -> None:
    visitor = portal.inside(world, world.organization())
    world.clock.advance(hours=3, minutes=59)
    assert is_open(visitor)
    world.clock.advance(hours=4)
    assert not is_open(visitor)


def test_activity_extends_a_session_but_never_past_its_link(world: World) -> None:
    visitor = portal.enter(world, portal.link(world, world.organization(), lives_days=1)[1])
    for _ in range(7):
        world.clock.advance(hours=3)
        assert is_open(visitor)
    world.clock.advance(hours=3)
    assert not is_open(visitor)


def test_a_session_lives_thirty_days_at_most(world: World) -> None:
    visitor = portal.enter(world, portal.link(world, world.organization(), lives_days=60)[1])
    began = world.clock.now
    while is_open(visitor):
        world.clock.advance(hours=3)
        assert world.clock.now - began <= timedelta(days=30, hours=3)
    assert world.clock.now - began >= timedelta(days=30)


@pytest.mark.requirement("ADM-02")
def test_revoking_the_link_ends_the_session_with_the_next_request(world: World) -> None:
    acme = world.organization()
    made, path = portal.link(world, acme)
    visitor = portal.enter(world, path)
    with world.database.writing() as db:
        links.revoke(db, acme.id, made.id, now=world.clock.now)
    assert not is_open(visitor)


@pytest.mark.requirement("ADM-01")
def test_a_newer_link_for_the_same_purpose_ends_the_sessions_of_the_older(world: World) -> None:
    acme = world.organization()
    setup, renewal = portal.inside(world, acme), portal.inside(world, acme, intent=Intent.RENEW_CERTIFICATE)
    portal.link(world, acme)
    assert not is_open(setup)
    assert is_open(renewal)


def test_a_suspended_organization_has_no_portal(world: World) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    world.sql("UPDATE organizations SET suspended_at = :now", now="2026-11-24 12:00:00")
    assert not is_open(visitor)


@pytest.mark.requirement("ADM-02")
def test_the_cookies_of_portal_and_account_open_nothing_of_each_other(world: World) -> None:
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    visitor = portal.inside(world, acme)
    for path in ("/", "/settings/team", "/settings/profile"):
        assert "/login" in (visitor.get(path).location or ""), path
    owner = world.visitor()
    world.sign_in(owner, "owner@acme.test")
    assert not is_open(owner)
    stolen = visitor.cookies.for_request("https://llm-ops.test/", method="GET", cross_site=False)[sessions.COOKIE]
    thief = world.visitor()
    thief.cookies.store("https://llm-ops.test/", f"__Host-llmops_session={stolen}; Path=/; Secure")
    assert "/login" in (thief.get("/settings/team").location or "")


@pytest.mark.requirement("SES-13")
def test_only_a_hash_of_the_cookie_is_kept(world: World) -> None:
    visitor = portal.inside(world, world.organization())
    cookie = visitor.cookies.for_request("https://llm-ops.test/", method="GET", cross_site=False)[sessions.COOKIE]
    assert world.value("SELECT token_hash FROM portal_sessions") == world.site.sealer.hashed("portal.session", cookie)


FORMS: dict[str, tuple[frozenset[Intent], dict[str, str]]] = {
    "/portal/provider": (frozenset({Intent.SETUP_SSO}), {"kind": Kind.ENTRA_OIDC.value}),
    "/portal/domains": (frozenset({Intent.SETUP_SSO, Intent.VERIFY_DOMAIN}), {"domain": "more.test"}),
    "/portal/domains/check": (frozenset({Intent.SETUP_SSO, Intent.VERIFY_DOMAIN}), {"domain": "acme.test"}),
    "/portal/okta-saml/metadata": (
        frozenset({Intent.SETUP_SSO, Intent.RENEW_CERTIFICATE}),
        {"how": "manual", "idp_entity_id": "x", "sso_url": "y", "certificate": "z"},
    ),
    "/portal/activate": (frozenset({Intent.SETUP_SSO, Intent.RENEW_CERTIFICATE, Intent.ROTATE_SECRET}), {}),
    "/portal/discard": (frozenset({Intent.SETUP_SSO, Intent.RENEW_CERTIFICATE, Intent.ROTATE_SECRET}), {}),
}


@pytest.mark.requirement("ADM-02")
@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("intent", list(Intent))
def test_a_link_covers_what_it_is_for_and_no_more(world: World, intent: Intent, path: str) -> None:
    allowed, fields = FORMS[path]
    acme = world.organization()
    portal.live(world, acme)
    visitor = portal.inside(world, acme, intent=intent)
    before = world.counts()
    answer = portal.post(visitor, path, **fields)
    assert (answer.status == 403) == (intent not in allowed), answer.text
    if intent not in allowed:
        assert "portal_not_covered" in answer.text
        assert world.counts() == before


@pytest.mark.requirement("ADM-02")
@pytest.mark.parametrize(
    ("intent", "closed"),
    [
        (Intent.VERIFY_DOMAIN, "/portal/okta-saml/1"),
        (Intent.RENEW_CERTIFICATE, "/portal/okta-saml/1"),
        (Intent.ROTATE_SECRET, "/portal/okta-saml/metadata"),
    ],
)
def test_pages_outside_the_purpose_stay_closed(world: World, intent: Intent, closed: str) -> None:
    acme = world.organization()
    portal.live(world, acme)
    assert portal.inside(world, acme, intent=intent).get(closed).status == 403


@pytest.mark.requirement("ADM-02", "TEN-02")
def test_looking_changes_nothing_and_shows_no_form(world: World) -> None:
    acme = world.organization()
    portal.live(world, acme)
    visitor = portal.inside(world, acme, intent=Intent.VIEW_ONLY)
    for path in ("/portal", "/portal/okta-saml/1", "/portal/okta-saml/metadata", "/portal/domains", "/portal/finish"):
        page = visitor.get(path)
        assert page.status == 200, path
        actions = {form.action.removeprefix("https://llm-ops.test") for form in page.forms}
        assert actions <= {"/portal/leave", "/portal/next", "/theme"}, path


@pytest.mark.requirement("ADM-09", "TEN-01")
def test_a_session_reaches_its_own_organization_only(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain="other.test", verified=False)
    visitor = portal.inside(world, acme)
    answer = portal.post(visitor, "/portal/domains/check", domain="other.test")
    assert answer.status == 404
    portal.choose(visitor)
    theirs = portal.inside(world, other)
    assert "Okta" not in theirs.follow(theirs.get("/portal/okta-saml/1")).title
    assert world.value("SELECT count(*) FROM connections WHERE organization_id = :id", id=other.id) == 0


def test_sessions_that_are_over_are_forgotten(world: World) -> None:
    portal.inside(world, world.organization())
    world.clock.advance(hours=5)
    with world.database.writing() as db:
        sessions.forget_old(db, now=world.clock.now)
    assert world.value("SELECT count(*) FROM portal_sessions") == 0


@pytest.mark.requirement("WEB-01", "ADM-02", "TEN-20")
def test_a_form_of_one_customer_does_not_change_another_after_their_link_was_opened(world: World) -> None:
    """Somebody who looks after two companies has a link of each open in one browser."""
    acme, birch = world.organization(), world.organization("Birch", domain="birch.test")
    visitor = portal.enter(world, portal.link(world, acme)[1])
    portal.choose(visitor)
    form_of_acme = visitor.get(portal.INPUT)
    portal.enter(world, portal.link(world, birch)[1], visitor)
    portal.choose(visitor)
    before = vars(portal.working(world, birch))
    refused = visitor.submit(form_of_acme, portal.INPUT, file=Upload("metadata.xml", portal.document(), "text/xml"))
    assert refused.status == 403
    assert vars(portal.working(world, birch)) == before


@pytest.mark.requirement("ADM-03", "SES-11")
@pytest.mark.parametrize("loss", ["role = 'member'", "status = 'suspended'", "status = 'removed'"])
def test_a_link_that_somebody_made_as_an_owner_ends_with_their_ownership(world: World, loss: str) -> None:
    acme = world.organization()
    owner = world.person("owner@acme.test", acme, role=Role.OWNER)
    with world.database.writing() as db:
        _, secret = links.make(
            db, world.site.sealer, acme.id, intent=Intent.SETUP_SSO, kind=None, contacts=[], made_by=owner.id,
            now=world.clock.now,
        )  # fmt: skip
    path = links.address(world.settings, secret).removeprefix(world.settings.base_url)
    visitor = portal.enter(world, path)
    assert is_open(visitor)
    world.sql(f"UPDATE members SET {loss} WHERE user_id = :id", id=owner.id)
    assert not is_open(visitor)
    other = world.visitor()
    assert other.follow(other.get(path)).status == 410
