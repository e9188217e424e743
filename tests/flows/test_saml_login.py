"""A sign-in through SAML over the whole product, and the ways in which it must not succeed.

What one Response may say is judged in tests/broker/saml; here is what only the whole knows: attempts, browsers, codes,
replays, and that a refusal leaves nothing but its record.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from saml import build
from world import World, error_of, request_id_of

from llmops.accounts import sessions

KEPT = {
    "logins",
    "rate_counters",
    "cookie_keys",
    "connections",
    "organizations",
    "organization_domains",
    "alembic_version",
}


def left_behind(world: World) -> set[str]:
    """Tables that have rows a refusal must not leave."""
    return {name for name, count in world.counts().items() if count and name not in KEPT}


def test_new_person_lands_on_the_dashboard_with_an_account(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    page = world.saml_sign_in(visitor, connection)
    assert page.status == 200
    assert "Ann Lee" in page.text
    assert "ann@acme.test" in visitor.get("/settings/team").text
    assert visitor.cookies.value(sessions.COOKIE, host="llm-ops.test")


@pytest.mark.parametrize("style", ["assertion", "response", "both"])
def test_every_signing_style_signs_in(world: World, style: str) -> None:
    connection = world.saml(world.organization())
    assert "Ann Lee" in world.saml_sign_in(world.visitor(), connection, style=style).text


def test_it_returns_to_the_page_that_was_asked_for(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    url = visitor.get("/settings/team")
    page = visitor.follow(url)
    sent = visitor.submit(page, "/login/sso", email="ann@acme.test")
    encoded = world.response(connection, request_id_of(sent.location or ""))
    assert visitor.follow(world.post_response(visitor, connection, encoded)).url.endswith("/settings/team")


@pytest.mark.requirement("SAML-28", "SAML-27")
def test_an_answer_in_another_browser_is_refused(world: World) -> None:
    connection, visitor, victim = world.saml(world.organization()), world.visitor(), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)))
    stopped = victim.follow(world.post_response(victim, connection, encoded))
    assert error_of(stopped) == "login_other_browser"
    assert world.value("SELECT code FROM logins WHERE ref = :ref", ref=stopped.url.partition("ref=")[2])
    assert left_behind(world) <= {"used_assertions"}
    assert victim.cookies.value(sessions.COOKIE, host="llm-ops.test") is None


@pytest.mark.requirement("SAML-28")
def test_lost_cookies_are_named_as_such(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)))
    fresh = world.visitor()
    page = fresh.follow(world.post_response(fresh, connection, encoded))
    assert "This browser did not start that sign-in, or its cookie is gone" in page.text


@pytest.mark.requirement("SAML-29", "SAML-27")
def test_a_second_post_of_the_same_response_is_refused(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)))
    visitor.follow(world.post_response(visitor, connection, encoded))
    assert error_of(world.post_response(visitor, connection, encoded)) == "login_already_answered"
    assert world.counts()["sessions"] == 1


@pytest.mark.requirement("SAML-29")
def test_one_assertion_passes_once_even_for_two_attempts(world: World) -> None:
    connection, visitor = world.saml(world.organization(), allow_unsolicited=True), world.visitor()
    encoded = world.response(connection, "", style="unsolicited")
    assert "Ann Lee" in visitor.follow(world.post_response(visitor, connection, encoded)).text
    assert error_of(world.post_response(world.visitor(), connection, encoded)) == "saml_already_used"


@pytest.mark.requirement("SAML-29", "TST-13")
def test_of_many_posts_at_once_one_wins(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)))
    visitors = [world.visitor() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda each: world.post_response(each, connection, encoded), visitors))
    assert sum("code=" in (page.location or "") for page in pages) == 1
    assert {error_of(page) for page in pages} <= {"", "login_already_answered", "saml_already_used"}


@pytest.mark.requirement("SAML-27")
def test_an_answer_to_another_connections_request_is_refused(world: World) -> None:
    mine = world.saml(world.organization())
    other = world.saml(world.organization("Other", domain="other.test"))
    visitor = world.visitor()
    request_id = request_id_of(world.depart(visitor))
    assert error_of(world.post_response(visitor, other, world.response(other, request_id))) == "login_unknown"
    assert "Ann Lee" in visitor.follow(world.post_response(visitor, mine, world.response(mine, request_id))).text


@pytest.mark.requirement("SAML-27")
@pytest.mark.parametrize(("seconds", "code"), [(599, ""), (600, "login_expired"), (601, "login_expired")])
def test_an_attempt_lives_ten_minutes(world: World, seconds: int, code: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(world.depart(visitor))
    world.clock.advance(seconds=seconds)
    assert error_of(world.post_response(visitor, connection, world.response(connection, request_id))) == code


@pytest.mark.requirement("SES-15")
@pytest.mark.parametrize(("seconds", "code"), [(59, ""), (60, "code_expired"), (61, "code_expired")])
def test_the_code_lives_sixty_seconds(world: World, seconds: int, code: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    posted = world.post_response(visitor, connection, world.response(connection, request_id_of(world.depart(visitor))))
    world.clock.advance(seconds=seconds)
    assert error_of(visitor.follow(posted)) == code


@pytest.mark.requirement("SES-15", "OIDC-22")
def test_the_code_works_once_and_says_start_again(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    posted = world.post_response(visitor, connection, world.response(connection, request_id_of(world.depart(visitor))))
    visitor.follow(posted)
    again = visitor.follow(visitor.get(posted.location or ""))
    assert "The sign-in code was already used" in again.text
    assert "Start again" in again.text


@pytest.mark.requirement("SES-15", "SEC-02")
def test_the_code_is_stored_hashed_and_the_profile_sealed_then_gone(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    posted = world.post_response(visitor, connection, world.response(connection, request_id_of(world.depart(visitor))))
    code = (posted.location or "").partition("code=")[2]
    row = world.value("SELECT code_hash || profile FROM logins")
    assert code not in row
    assert "ann@acme.test" not in row
    visitor.follow(posted)
    assert world.value("SELECT profile FROM logins") is None


@pytest.mark.requirement("SAML-34")
def test_an_unsolicited_response_is_refused_unless_allowed(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, "", style="unsolicited")
    page = visitor.follow(world.post_response(visitor, connection, encoded))
    assert error_of(page) == "saml_unsolicited"
    assert "Please start from the LLM Ops sign-in page" in page.text
    assert left_behind(world) == set()


@pytest.mark.requirement("SAML-35", "SAML-34")
def test_relay_state_selects_nothing(world: World) -> None:
    connection, visitor = world.saml(world.organization(), allow_unsolicited=True), world.visitor()
    encoded = world.response(connection, "", style="unsolicited")
    posted = world.post_response(visitor, connection, encoded, RelayState="https://evil.test/")
    assert visitor.follow(posted).url.startswith("https://llm-ops.test/")


@pytest.mark.requirement("TEN-02")
@pytest.mark.parametrize("state", ["draft", "off"])
def test_only_an_active_connection_signs_in(world: World, state: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(world.depart(visitor))
    world.sql("UPDATE connections SET state = :state", state=state)
    assert (
        error_of(world.post_response(visitor, connection, world.response(connection, request_id)))
        == "connection_inactive"
    )
    assert left_behind(world) == set()


@pytest.mark.requirement("TST-01")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"after": [build.text("Assertion/Subject/NameID", "bob@acme.test")]}, "saml_signature_invalid"),
        ({"before": [build.text("Assertion/Conditions/AudienceRestriction/Audience", "urn:x")]}, "saml_wrong_audience"),
        ({"before": [build.attribute("", "Destination", "https://evil.test/acs")]}, "saml_wrong_destination"),
        ({"attributes": [("firstName", ["Ann"]), ("lastName", ["Lee"])], "subject": "00u1"}, "email_missing"),
        ({"attributes": [("email", ["ann@acme.test"]), ("lastName", ["Lee"])]}, "first_name_missing"),
        ({"attributes": [("email", ["ann@acme.test"]), ("firstName", ["Ann"])]}, "last_name_missing"),
        ({"attributes": [("email", ["ann@acme.test", "x@acme.test"])]}, "email_ambiguous"),
    ],
)
def test_a_refusal_leaves_only_its_record_and_the_attempt_goes_on(
    world: World, changes: dict[str, object], code: str
) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(world.depart(visitor))
    page = visitor.follow(world.post_response(visitor, connection, world.response(connection, request_id, **changes)))
    assert error_of(page) == code
    assert left_behind(world) == set()
    ref = page.url.partition("ref=")[2]
    assert world.value("SELECT code FROM logins WHERE ref = :ref", ref=ref) == code
    good = world.post_response(visitor, connection, world.response(connection, request_id))
    assert "Ann Lee" in visitor.follow(good).text


def test_two_tabs_both_finish(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    first, second = request_id_of(world.depart(visitor)), request_id_of(world.depart(visitor))
    one = world.response(connection, first, assertion_id="_one")
    two = world.response(connection, second, assertion_id="_two")
    assert "Ann Lee" in visitor.follow(world.post_response(visitor, connection, two)).text
    assert "Ann Lee" in visitor.follow(world.post_response(visitor, connection, one)).text


@pytest.mark.requirement("SAML-25")
def test_the_session_ends_with_the_identity_providers(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    soon = build.attribute("Assertion/AuthnStatement", "SessionNotOnOrAfter", "2026-11-24T13:00:00Z")
    world.saml_sign_in(visitor, connection, before=[soon])
    world.clock.advance(minutes=59)
    assert visitor.get("/").status == 200
    world.clock.advance(minutes=1)
    assert visitor.get("/").status == 303
