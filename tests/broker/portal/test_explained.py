"""Explanations: the sentence of errors.py, both sides with their difference, the provider's own steps, the checks."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from saml.keys import signer
from starlette.responses import Response
from world import BASE_URL, World

from llmops import errors
from llmops.broker import connections
from llmops.broker.connections import Connection, Kind
from llmops.broker.logins import Login
from llmops.broker.portal import activity, checklist, explained, guide
from llmops.broker.portal.explained import Explanation
from llmops.broker.saml.rules import Check
from llmops.broker.traces import ProfileField, Received, Trace
from llmops.errors import NotFound, SamlKeyUnknown, SignInUnknown
from llmops.web.render import environment
from llmops.web.request import Request

FINGERPRINT = "ab" * 32


@pytest.fixture
def connection(world: World) -> Connection:
    return world.saml(world.organization())


def login(world: World, **values: Any) -> Login:
    """A row as it would be read."""
    known = {
        "id": "login_1", "how": "test", "code": None, "ref": None, "failed_at": None, "answered_at": None,
        "redeemed_at": None, "started_at": world.clock.now, "return_to": "/",
    }  # fmt: skip
    return cast(Login, SimpleNamespace(**known | values))


def failed(
    world: World, connection: Connection, code: str, *, checks: tuple[Check, ...] = (), **facts: str
) -> Explanation:
    row = login(world, code=code, ref="ABCD-EFGH", failed_at=world.clock.now)
    return explained.explain(row, Trace(checks, facts), connection, base_url=BASE_URL)


def of_kind(connection: Connection, kind: Kind) -> Connection:
    row = object.__new__(Connection)
    row.__dict__.update(connection.__dict__ | {"kind": kind.value})
    return row


SIGN_IN_CODES = [failure.code for failure in errors.catalogue() if issubclass(failure, errors.SignInFailure)]


@pytest.mark.parametrize("code", SIGN_IN_CODES)
def test_every_failure_is_explained_with_its_own_sentence(world: World, connection: Connection, code: str) -> None:
    told = failed(world, connection, code, seen="a", expected="b")
    failure = errors.by_code(code)
    assert failure is not None
    assert (told.sentence, told.code, told.reference) == (failure.message, code, "ABCD-EFGH")
    assert told.fixes, "there is always something to do"
    assert (told.outcome, told.heading) == ("failed", "Test failed")


@pytest.mark.parametrize("kind", list(Kind))
def test_the_steps_are_in_the_providers_words_with_our_values_in_them(
    world: World, connection: Connection, kind: Kind
) -> None:
    code = "saml_wrong_audience" if kind.is_saml else "oidc_wrong_audience"
    told = failed(world, of_kind(connection, kind), code)
    assert len(told.fixes) == len(guide.of(kind).fixes.get(code, ()))
    assert not any("{" in step for step in told.fixes)
    if kind is Kind.OKTA_SAML:
        assert connections.addresses(BASE_URL, connection.id).sp_entity_id in told.fixes[1]


def test_both_sides_show_where_they_differ(world: World, connection: Connection) -> None:
    told = failed(
        world, connection, "saml_wrong_recipient", seen="https://a.test/one/acs", expected="https://a.test/two/acs"
    )
    assert [(side.label, side.before, side.differing, side.after) for side in told.compared] == [
        ("Recipient in the message", "https://a.test/", "one", "/acs"),
        ("Our ACS URL", "https://a.test/", "two", "/acs"),
    ]


@pytest.mark.parametrize(
    ("seen", "expected"), [("aa", "aaa"), ("aaa", "aa"), ("x", "y"), ("ab", "b"), ("same", "same")]
)
def test_the_parts_of_a_side_make_the_whole(world: World, connection: Connection, seen: str, expected: str) -> None:
    told = failed(world, connection, "saml_wrong_audience", seen=seen, expected=expected)
    assert tuple(side.whole for side in told.compared) == (seen, expected)


def test_an_unknown_key_shows_both_fingerprints(world: World, connection: Connection) -> None:
    told = failed(world, connection, "saml_key_unknown", seen=FINGERPRINT, expected="cd" * 32)
    assert told.compared[0].label == "The message was signed with the certificate"
    assert told.compared[0].whole == ":".join(["AB"] * 32)
    assert told.compared[1].whole.startswith("CD:CD")


def test_an_expired_message_shows_both_clocks_and_how_far_they_are_apart(world: World, connection: Connection) -> None:
    now = world.clock.now
    told = failed(world, connection, "saml_expired", seen=str(now - timedelta(hours=1)), expected=str(now))
    assert [side.whole for side in told.compared] == ["24 Nov 2026, 11:00:00 UTC", "24 Nov 2026, 12:00:00 UTC"]
    assert told.apart == "60 minutes before our clock"


def test_an_expired_token_shows_both_clocks_too(world: World, connection: Connection) -> None:
    now = int(world.clock.now.timestamp())
    facts = {"problem": "exp has passed", "now": str(now), "exp": str(now - 7200), "iat": str(now), "nbf": "None"}
    told = failed(world, of_kind(connection, Kind.OKTA_OIDC), "oidc_expired", **facts)
    assert [side.whole for side in told.compared] == ["24 Nov 2026, 10:00:00 UTC", "24 Nov 2026, 12:00:00 UTC"]
    assert told.apart == "2 hours before our clock"


def test_a_missing_attribute_names_what_the_connection_looks_for(world: World) -> None:
    mapped = world.saml(world.organization(), attribute_map={"email": "workMail"})
    told = failed(world, mapped, "email_missing", seen="phone", expected="email")
    assert [side.whole for side in told.compared] == ["phone", "workMail"]


def test_the_providers_own_words_are_shown(world: World, connection: Connection) -> None:
    told = failed(world, connection, "user_not_assigned", status_message="AADSTS50105: no", aadsts="50105")
    assert dict(told.details) == {
        "In the identity provider's own words": "AADSTS50105: no",
        "Microsoft's error number (AADSTS)": "50105",
    }


def test_checks_are_readable(world: World, connection: Connection) -> None:
    held = signer().certificate
    checks = (
        Check("assertion.signature", "passed", held.fingerprint_sha256, ""),
        Check("assertion.algorithm", "passed", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", ""),
        Check("conditions.not_before", "passed", str(world.clock.now - timedelta(seconds=3)), str(world.clock.now)),
        Check("audience", "refused", "x", "y"),
        Check("email_missing", "refused", "", ""),
    )
    lines = failed(world, connection, "saml_wrong_audience", checks=checks).checks
    assert lines[0].note == f"valid until {held.not_after:%-d %b %Y}"
    assert lines[1].seen == "rsa-sha256"
    assert lines[2].note == "3 seconds before our clock"
    assert (lines[3].label, lines[3].passed, lines[3].seen, lines[3].expected) == ("Audience", False, "x", "y")
    assert lines[4].label == errors.by_code("email_missing").message


def test_every_step_that_saml_judges_has_a_label(world: World) -> None:
    world.saml_sign_in(world.visitor(), world.saml(world.organization()), style="both")
    with world.database.reading() as db:
        attempt = activity.recent_with_outcome(db, world.value("SELECT id FROM organizations"), now=world.clock.now)[0]
    told = explain(world, attempt.login_id)
    assert not [line.label for line in told.checks if "." in line.label or "_" in line.label]


@pytest.mark.parametrize(
    ("how", "values", "heading"),
    [
        ("test", {"redeemed_at": True}, "Test passed"),
        ("started_here", {"redeemed_at": True}, "Signed in"),
        ("started_here", {"code": "idp_error"}, "Sign-in failed"),
        ("started_here", {}, "Sign-in without an answer so far"),
    ],
)
def test_the_heading_says_how_it_ended(
    world: World, connection: Connection, how: str, values: dict[str, Any], heading: str
) -> None:
    told = explained.explain(login(world, how=how, **values), Trace(), connection, base_url=BASE_URL)
    assert told.heading == heading


def received(**changes: Any) -> Received:
    return replace(
        Received(
            protocol="SAML", verified=True, subject="u-1", subject_format="", values=(), profile=(), message="<a/>"
        ),
        **changes,
    )  # fmt: skip


def test_many_values_are_folded(world: World, connection: Connection) -> None:
    groups = tuple(f"g{number}" for number in range(25))
    held = received(profile=(ProfileField("groups", "groups", groups, "found"),))
    row = explained.explain(login(world), Trace((), None, held), connection, base_url=BASE_URL).profile[0]
    assert (row.label, len(row.values), len(row.more)) == ("Groups", 10, 15)


def shown(told: Explanation) -> str:
    module = environment.get_template("broker/trace.html").module
    return str(module.explanation(told, "/download"))


@pytest.mark.requirement("WEB-06")
def test_nothing_from_outside_becomes_markup_or_stays_invisible(world: World, connection: Connection) -> None:
    nasty = '<img src=x onerror=alert(1)>"\u202e\u0007'
    held = received(
        subject=nasty,
        subject_format=nasty,
        values=((nasty, (nasty,)),),
        profile=(ProfileField("email", nasty, (nasty,), "found"),),
        message=f"<a>\n{nasty}</a>",
    )
    facts = {"seen": nasty, "expected": nasty + "x", "status_message": nasty}
    checks = (Check("audience", "refused", nasty, "y"), Check(nasty, "passed", nasty, ""))
    row = login(world, code="saml_wrong_audience", ref="R")
    html = shown(explained.explain(row, Trace(checks, facts, held), connection, base_url=BASE_URL))
    assert "<img" not in html
    assert "\u202e" not in html
    assert "\u0007" not in html
    assert "⟨U+202E⟩" in html


@pytest.mark.requirement("SEC-05")
def test_the_report_for_support_holds_no_personal_data(world: World, connection: Connection) -> None:
    held = received(subject="ann@acme.test", profile=(ProfileField("email", "email", ("ann@acme.test",), "found"),))
    facts = {"seen": "ann@acme.test", "expected": "else.test"}
    checks = (Check("email_outside_domains", "refused", "ann@acme.test", "else.test"),)
    row = login(world, code="email_outside_domains", ref="ABCD-EFGH")
    told = explained.explain(row, Trace(checks, facts, held), connection, base_url=BASE_URL)
    assert "ann@acme.test" not in told.report
    assert "ABCD-EFGH" in told.report


def test_there_is_no_file_where_nothing_was_received(world: World, connection: Connection) -> None:
    with pytest.raises(NotFound):
        explained.message_file(explained.explain(login(world), Trace(), connection, base_url=BASE_URL))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", ""),
        ("2026-11-24T12:00:00", "2026-11-24T12:00:00"),
        ("2026-11-04 09:00:00+00:00", "4 Nov 2026, 09:00:00 UTC"),
    ],
)
def test_only_moments_with_a_zone_are_written_as_such(value: str, told: str) -> None:
    assert checklist.readable(value) == told


# --- Settings → Security ---------------------------------------------------------------------------------------------


def explain(world: World, login_id: str, organization_id: str = "") -> Explanation:
    """As a page would ask for it."""
    r = Request(
        site=world.site, method="GET", path="/", query_string="", headers={}, cookies={}, body=b"",
        peer="198.51.100.7", id="r1",
    )  # fmt: skip
    wanted = organization_id or world.value("SELECT organization_id FROM logins WHERE id = :id", id=login_id)
    told: list[Explanation] = []

    def page(request: Request) -> Response:
        told.append(activity.read(request, wanted, login_id, by="user_1"))
        return Response()

    r.finish(r.run(page))
    return told[0]


def test_the_list_says_what_became_of_each_attempt(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    world.saml_sign_in(world.visitor(), connection)
    world.clock.advance(seconds=1)
    world.saml_sign_in(world.visitor(), connection, by=signer("other"))
    world.clock.advance(seconds=1)
    world.depart(world.visitor())
    with world.database.reading() as db:
        rows = activity.recent_with_outcome(db, acme.id, now=world.clock.now)
        later = activity.recent_with_outcome(db, acme.id, now=world.clock.now + timedelta(minutes=11))
    assert [row.outcome for row in rows] == ["under way", "failed", "signed in"]
    assert later[0].outcome == "no answer"
    assert (rows[1].code, bool(rows[1].ref), rows[1].how) == ("saml_key_unknown", True, "Sign-in")
    assert rows[1].sentence == SamlKeyUnknown.message


@pytest.mark.requirement("SEC-05")
def test_reading_an_attempt_is_recorded_and_only_for_its_own_organization(world: World) -> None:
    acme, other = world.organization(), world.organization("Other", domain="other.test")
    world.saml_sign_in(world.visitor(), world.saml(acme))
    login_id = world.value("SELECT id FROM logins")
    assert explain(world, login_id).outcome == "passed"
    found = "SELECT actor FROM audit_entries WHERE action = 'trace.read' AND organization_id = :id"
    assert world.value(found, id=acme.id) == "user_1"
    with pytest.raises(SignInUnknown):
        explain(world, login_id, other.id)
