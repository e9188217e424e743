"""The test sign-in: all the checks of a real one, for drafts too, and a report instead of a session."""

from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from oidc import provider as op
from oidc.evil import Provider
from saml import build
from saml.keys import signer
from support import portal
from support.page import Page
from support.visitor import Visitor
from world import World, error_of, request_id_of

from llmops.accounts import sessions
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal.links import Intent
from llmops.broker.saml import metadata
from llmops.dashboard import figures
from llmops.organizations.organization import Organization


@pytest.fixture
def acme(world: World) -> Organization:
    return world.organization()


@pytest.fixture
def admin(world: World, acme: Organization) -> Visitor:
    """The browser of an IT administrator, in the portal."""
    return portal.inside(world, acme)


def draft_of(world: World, organization: Organization, kind: Kind = Kind.OKTA_SAML) -> Connection:
    """A complete SAML connection that was never live."""
    idp = metadata.read(portal.document(), now=world.clock.now)
    with world.database.writing() as db:
        made = connections.create(db, world.site.sealer, organization.id, kind=kind, now=world.clock.now)
        connections.set_saml(db, made, idp, metadata_url=None, sign_requests=False)
        return connections.get(db, made.id)


def beside(world: World, live: Connection) -> Connection:
    """A draft beside a live connection, as its copy."""
    with world.database.writing() as db:
        return drafts.begin(db, world.site.sealer, live, now=world.clock.now)


def begin(visitor: Visitor) -> str:
    """Press the button; returns where the browser is sent."""
    return visitor.submit(visitor.get("/portal/test"), "/portal/test/start").location or ""


def answer(world: World, visitor: Visitor, connection: Connection, **changes: Any) -> Page:
    """The whole way of a SAML test; `connection` is the one in the addresses. Returns what the ACS says."""
    request_id = request_id_of(begin(visitor))
    encoded = world.response(connection, request_id, **{"assertion_id": f"_{request_id}", **changes})
    return world.post_response(visitor, connection, encoded)


def report(world: World, visitor: Visitor, connection: Connection, **changes: Any) -> Page:
    """The report at the end of a SAML test."""
    return visitor.follow(answer(world, visitor, connection, **changes))


def when_tested(world: World, connection: Connection) -> object:
    return world.value("SELECT tested_at FROM connections WHERE id = :id", id=connection.id)


def test_a_good_answer_ends_in_a_report_and_counts_for_the_draft(
    world: World, acme: Organization, admin: Visitor
) -> None:
    draft = draft_of(world, acme)
    page = report(world, admin, draft)
    assert page.status == 200
    assert "/portal/test/login_" in page.url
    assert "Test passed" in page.text
    assert "These settings are tested" in page.text
    for told in ("ann@acme.test", "firstName", "Signature of the assertion", "rsa-sha256", "not encrypted"):
        assert told in page.text
    assert when_tested(world, draft)


@pytest.mark.requirement("TEN-02")
def test_a_test_makes_no_session_user_identity_or_member(world: World, acme: Organization, admin: Visitor) -> None:
    draft, before = draft_of(world, acme), world.counts()
    report(world, admin, draft)
    grown = {name for name, count in world.counts().items() if count != before[name]}
    assert grown <= {"logins", "used_assertions", "audit_entries", "audit_heads", "rate_counters"}
    assert admin.cookies.value(sessions.COOKIE, host="llm-ops.test") is None
    assert world.value("SELECT count(*) FROM logins WHERE code_hash IS NOT NULL OR profile IS NOT NULL") == 0


@pytest.mark.requirement("TEN-02")
def test_the_application_gives_nothing_for_a_test(world: World, acme: Organization, admin: Visitor) -> None:
    draft = draft_of(world, acme)
    sent = answer(world, admin, draft)
    login_id = (sent.location or "").rpartition("/")[2]
    assert "code=" not in (sent.location or "")
    assert error_of(admin.get(f"/login/sso/callback?code={login_id}")) == "code_already_used"


@pytest.mark.requirement("TEN-02")
def test_a_real_sign_in_on_a_draft_stays_refused(world: World, acme: Organization) -> None:
    connection, visitor = world.saml(acme), world.visitor()
    request_id = request_id_of(world.depart(visitor))
    world.sql("UPDATE connections SET state = 'draft'")
    refused = world.post_response(visitor, connection, world.response(connection, request_id))
    assert error_of(refused) == "connection_inactive"


@pytest.mark.requirement("ADM-04")
def test_the_draft_beside_a_live_connection_is_judged_by_its_own_configuration(
    world: World, acme: Organization, admin: Visitor
) -> None:
    live = portal.live(world, acme)
    draft = beside(world, live)
    renewed = metadata.read(portal.document(by=[signer("other")]), now=world.clock.now)
    with world.database.writing() as db:
        connections.set_saml(db, draft, renewed, metadata_url=None, sign_requests=False)
    assert "saml_key_unknown" in report(world, admin, live).text
    assert "Test passed" in report(world, admin, live, by=signer("other")).text
    assert when_tested(world, draft)
    assert when_tested(world, live) is None
    assert "Ann Lee" in world.saml_sign_in(world.visitor(), live).text  # people sign in as before


def test_a_connection_that_is_off_may_be_tested(world: World, acme: Organization, admin: Visitor) -> None:
    live = portal.live(world, acme)
    sent = begin(admin)
    world.sql("UPDATE connections SET state = 'off'")
    encoded = world.response(live, request_id_of(sent))
    assert "Test passed" in admin.follow(world.post_response(admin, live, encoded)).text


@pytest.mark.requirement("ADM-04")
def test_a_pass_does_not_count_when_the_configuration_changed_meanwhile(
    world: World, acme: Organization, admin: Visitor
) -> None:
    draft = draft_of(world, acme)
    request_id = request_id_of(begin(admin))
    with world.database.writing() as db:
        connections.set_options(db, draft, want_signed="assertion")
    page = admin.follow(world.post_response(admin, draft, world.response(draft, request_id)))
    assert "The settings were changed since this test" in page.text
    assert when_tested(world, draft) is None


def test_a_pass_stops_counting_when_the_configuration_changes_later(
    world: World, acme: Organization, admin: Visitor
) -> None:
    draft = draft_of(world, acme)
    url = report(world, admin, draft).url
    with world.database.writing() as db:
        connections.set_options(db, draft, attribute_map={"email": "mail"})
    assert "The settings were changed since this test" in admin.get(url).text


def test_a_pass_is_audited_with_who_tested(world: World, acme: Organization, admin: Visitor) -> None:
    draft = draft_of(world, acme)
    report(world, admin, draft)
    found = "SELECT actor FROM audit_entries WHERE action = 'connection.tested' AND target = :id"
    assert world.value(found, id=draft.id) == "portal"


@pytest.mark.requirement("SAML-28")
def test_another_browser_that_brings_the_answer_fails_the_test(
    world: World, acme: Organization, admin: Visitor
) -> None:
    draft, stranger = draft_of(world, acme), world.visitor()
    encoded = world.response(draft, request_id_of(begin(admin)))
    ended = stranger.follow(world.post_response(stranger, draft, encoded))
    assert ended.status == 403  # the report is for whoever is in the portal
    assert "login_other_browser" in admin.get(ended.url).text
    assert when_tested(world, draft) is None


@pytest.mark.requirement("SAML-28")
def test_the_way_back_does_not_wait_for_ever(world: World, acme: Organization, admin: Visitor) -> None:
    draft = draft_of(world, acme)
    sent = answer(world, admin, draft)
    world.clock.advance(seconds=60)
    assert "code_expired" in admin.follow(sent).text
    assert when_tested(world, draft) is None


@pytest.mark.requirement("SAML-27", "SAML-29")
def test_a_second_answer_to_a_test_is_refused(world: World, acme: Organization, admin: Visitor) -> None:
    draft = draft_of(world, acme)
    encoded = world.response(draft, request_id_of(begin(admin)))
    admin.follow(world.post_response(admin, draft, encoded))
    assert error_of(world.post_response(admin, draft, encoded)) == "login_already_answered"


def test_tests_are_no_sign_ins_in_the_figures(world: World, acme: Organization, admin: Visitor) -> None:
    live = portal.live(world, acme)
    report(world, admin, live)
    report(world, admin, live, by=signer("other"))
    with world.database.reading() as db:
        assert figures.last_success(db, acme.id, live.id) is None
        assert figures.last_failure(db, acme.id, live.id) is None
        assert figures.failures(db, acme.id, now=world.clock.now) == []


def failing(name: str) -> dict[str, Any]:
    late = build.attribute("Assertion/Conditions", "NotOnOrAfter", "2026-11-24T11:00:00Z")
    return {
        "email_outside_domains": {"address": "ann@elsewhere.test"},
        "email_missing": {"attributes": [("phone", ["1"])], "subject": "u-1"},
        "last_name_missing": {"attributes": [("email", ["ann@acme.test"]), ("firstName", ["Ann"])]},
        "saml_key_unknown": {"by": signer("other")},
        "saml_expired": {"before": [late]},
    }[name]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("email_outside_domains", ["ann@elsewhere.test", "acme.test", "Wrong domain"]),
        ("email_missing", ["phone", "Name that we look for", "Missing"]),
        ("last_name_missing", ["Missing", "How to fix it in Okta"]),
        ("saml_key_unknown", ["The message was signed with the certificate", "Not accepted"]),
        ("saml_expired", ["24 Nov 2026, 11:00:00 UTC", "24 Nov 2026, 12:00:00 UTC", "60 minutes before our clock"]),
    ],
)
def test_what_a_sign_in_would_refuse_is_reported(
    world: World, acme: Organization, admin: Visitor, code: str, told: list[str]
) -> None:
    draft = draft_of(world, acme)
    page = report(world, admin, draft, **failing(code))
    assert "Test failed" in page.text
    ref = world.value("SELECT ref FROM logins WHERE how = 'test'")
    for text in (code, ref, *told):
        assert text in page.text
    assert when_tested(world, draft) is None


def test_a_good_answer_after_a_bad_one_passes(world: World, acme: Organization, admin: Visitor) -> None:
    draft = draft_of(world, acme)
    request_id = request_id_of(begin(admin))
    bad = world.response(draft, request_id, by=signer("other"))
    assert "Test failed" in admin.follow(world.post_response(admin, draft, bad)).text
    good = world.response(draft, request_id)
    assert "Test passed" in admin.follow(world.post_response(admin, draft, good)).text


def test_the_report_waits_then_says_what_holds_people_up(world: World, acme: Organization, admin: Visitor) -> None:
    draft_of(world, acme)
    begin(admin)
    waiting = admin.follow(admin.get("/portal/test/latest"))
    assert "Waiting for an answer from Okta" in waiting.text
    assert waiting.headers["refresh"] == "3"
    world.clock.advance(seconds=90)
    overdue = admin.get(waiting.url)
    assert "Still on the page of Okta?" in overdue.text
    assert "not assigned" in overdue.text
    assert "refresh" not in overdue.headers
    world.clock.advance(minutes=10)
    assert "No answer came from Okta" in admin.get(waiting.url).text


def test_the_page_lists_the_tests_and_by_whom(world: World, acme: Organization, admin: Visitor) -> None:
    draft = draft_of(world, acme)
    assert "No test yet" in admin.get("/portal/test").text
    report(world, admin, draft)
    report(world, admin, draft, by=signer("other"))
    mine = admin.get("/portal/test").text
    assert all(word in mine for word in ("You", "Passed", "Failed", "saml_key_unknown"))
    assert "Another visitor" in portal.inside(world, acme).get("/portal/test").text


def test_the_page_lets_its_form_lead_to_the_identity_provider(world: World, acme: Organization, admin: Visitor) -> None:
    draft_of(world, acme)
    assert "form-action 'self' https:" in admin.get("/portal/test").headers["content-security-policy"]


def test_an_unfinished_connection_cannot_be_tested(world: World, acme: Organization, admin: Visitor) -> None:
    portal.choose(admin)
    page = admin.follow(portal.post(admin, "/portal/test/start"))
    assert "connection_incomplete" in page.text
    assert world.value("SELECT count(*) FROM logins") == 0


@pytest.mark.requirement("ADM-02")
def test_a_link_for_looking_only_starts_no_test(world: World, acme: Organization) -> None:
    draft_of(world, acme)
    viewer = portal.inside(world, acme, intent=Intent.VIEW_ONLY)
    assert portal.post(viewer, "/portal/test/start").status in (403, 410)
    assert world.value("SELECT count(*) FROM logins") == 0


@pytest.mark.requirement("ADM-02", "SEC-05")
@pytest.mark.parametrize("below", ["", "/message"], ids=["report", "message"])
def test_a_link_for_looking_only_shows_how_a_test_ended_and_no_more(
    world: World, acme: Organization, admin: Visitor, below: str
) -> None:
    url = report(world, admin, draft_of(world, acme)).url
    viewer = portal.inside(world, acme, intent=Intent.VIEW_ONLY)
    listed = viewer.get("/portal/test")
    assert "Passed" in listed.text
    assert "/portal/test/login_" not in listed.html
    refused = viewer.get(url + below)
    assert refused.status == 403
    assert "ann@acme.test" not in refused.html


@pytest.mark.requirement("SEC-05", "ADM-02")
def test_another_organization_cannot_read_the_report(world: World, acme: Organization, admin: Visitor) -> None:
    url = report(world, admin, draft_of(world, acme)).url
    other = portal.inside(world, world.organization("Other", domain="other.test"))
    assert other.get(url).status == 404
    assert other.get(f"{url}/message").status == 404
    assert world.visitor().get(url).status in (403, 410)


@pytest.mark.requirement("SEC-05")
def test_the_message_can_be_downloaded_and_that_is_recorded(world: World, acme: Organization, admin: Visitor) -> None:
    page = report(world, admin, draft_of(world, acme))
    file = admin.get(f"{page.url}/message")
    assert file.headers["content-disposition"] == 'attachment; filename="response.xml.txt"'
    assert "ann@acme.test" in file.html
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'trace.read'") == 1


@pytest.mark.requirement("SEC-05")
def test_reading_the_report_of_somebody_elses_test_is_recorded(
    world: World, acme: Organization, admin: Visitor
) -> None:
    own = report(world, admin, draft_of(world, acme)).url.removeprefix(world.settings.base_url)
    admin.get(own)
    read = "SELECT count(*) FROM audit_entries WHERE action = 'trace.read'"
    assert world.value(read) == 0
    other = portal.inside(world, acme, intent=Intent.RENEW_CERTIFICATE)
    assert "ann@acme.test" in other.get(own).text
    assert world.value(read) == 1


@pytest.mark.requirement("WEB-06")
def test_text_from_outside_is_escaped_and_made_visible(world: World, acme: Organization, admin: Visitor) -> None:
    draft = draft_of(world, acme)
    nasty = "<script>alert(1)</script>\u202egnp.exe"
    written = escape(nasty)
    names = [("email", ["ann@acme.test"]), ("firstName", [written]), ("lastName", ["Lee"]), (written, ["x"])]
    page = report(world, admin, draft, attributes=names)
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html
    assert "⟨U+202E⟩" in page.text
    assert "\u202e" not in admin.get(f"{page.url}/message").html


# --- OpenID Connect --------------------------------------------------------------------------------------------------


@pytest.fixture
def idp(world: World) -> Provider:
    made = Provider()
    world.answering(made)
    return made


def oidc_draft(world: World, organization: Organization) -> Connection:
    with world.database.writing() as db:
        kind, now, sealer = Kind.OKTA_OIDC, world.clock.now, world.site.sealer
        made = connections.create(db, sealer, organization.id, kind=kind, now=now)
        connections.set_oidc(db, sealer, made, op.provider(), client_id=op.CLIENT_ID, client_secret="s3cret-of-client")
        return connections.get(db, made.id)


def come_back(world: World, visitor: Visitor, connection: Connection, idp: Provider, browser: Visitor) -> Page:
    sent = parse_qs(urlsplit(begin(visitor)).query)
    idp.nonce = sent["nonce"][0]
    query = f"code=c0de-of-the-provider&state={sent['state'][0]}&iss={op.ISSUER}"
    return browser.follow(browser.get(f"/sso/oidc/{connection.id}/callback?{query}"))


@pytest.mark.requirement("TEN-02")
def test_an_openid_connect_draft_is_tested(world: World, idp: Provider, acme: Organization) -> None:
    admin, draft = portal.inside(world, acme), oidc_draft(world, acme)
    before = world.counts()
    page = come_back(world, admin, draft, idp, admin)
    assert "Test passed" in page.text
    for told in ("ann@acme.test", "given_name", "Token endpoint, with PKCE", "Signature of the ID token", "RS256"):
        assert told in page.text
    assert when_tested(world, draft)
    assert all(world.counts()[name] == before[name] for name in ("users", "sessions", "identities"))


@pytest.mark.requirement("OIDC-17")
def test_an_unverified_address_fails_the_test(world: World, idp: Provider, acme: Organization) -> None:
    admin, draft = portal.inside(world, acme), oidc_draft(world, acme)
    idp.claims = {"email_verified": False}
    page = come_back(world, admin, draft, idp, admin)
    assert "email_not_verified" in page.text
    assert when_tested(world, draft) is None


@pytest.mark.requirement("OIDC-02")
def test_an_openid_connect_answer_in_another_browser_asks_nobody(
    world: World, idp: Provider, acme: Organization
) -> None:
    admin, draft = portal.inside(world, acme), oidc_draft(world, acme)
    ended = come_back(world, admin, draft, idp, world.visitor())
    assert "login_other_browser" in admin.get(ended.url).text
    assert idp.asked == []


def test_a_draft_of_the_other_protocol_beside_a_live_connection_is_tested(
    world: World, idp: Provider, acme: Organization
) -> None:
    live = portal.live(world, acme)
    with world.database.writing() as db:
        sealer, now = world.site.sealer, world.clock.now
        draft = drafts.begin_with(db, sealer, live, kind=Kind.OKTA_OIDC, now=now)
        connections.set_oidc(db, sealer, draft, op.provider(), client_id=op.CLIENT_ID, client_secret="s3cret-of-client")
    admin = portal.inside(world, acme)
    assert "Test passed" in come_back(world, admin, live, idp, admin).text
    assert when_tested(world, draft)
    assert "Ann Lee" in world.saml_sign_in(world.visitor(), live).text


@pytest.mark.requirement("TEN-02", "SAML-27")
def test_a_sign_in_by_saml_is_not_answered_at_the_drafts_redirect_uri(
    world: World, idp: Provider, acme: Organization
) -> None:
    live = portal.live(world, acme)
    with world.database.writing() as db:
        sealer, now = world.site.sealer, world.clock.now
        draft = drafts.begin_with(db, sealer, live, kind=Kind.OKTA_OIDC, now=now)
        connections.set_oidc(db, sealer, draft, op.provider(), client_id=op.CLIENT_ID, client_secret="s3cret-of-client")
    visitor = world.visitor()
    state = request_id_of(world.depart(visitor))
    page = visitor.get(f"/sso/oidc/{live.id}/callback?code=c0de&state={state}&iss={op.ISSUER}")
    assert error_of(page) == "connection_unknown"
    assert idp.asked == []


def test_the_metadata_of_a_saml_draft_beside_openid_connect_is_published(
    world: World, idp: Provider, acme: Organization
) -> None:
    live = world.oidc(acme, op.provider(), client_id=op.CLIENT_ID)
    assert world.visitor().get(f"/sso/saml/{live.id}/metadata").status != 200
    with world.database.writing() as db:
        drafts.begin_with(db, world.site.sealer, live, kind=Kind.OKTA_SAML, now=world.clock.now)
    page = world.visitor().get(f"/sso/saml/{live.id}/metadata")
    assert (page.status, live.id in page.html) == (200, True)
