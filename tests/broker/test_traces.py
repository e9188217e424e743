"""What is kept of an attempt: enough to repair it, bounded, sealed, and without a secret."""

import json
from collections.abc import Sequence

import pytest
from oidc import provider as op
from oidc.evil import Provider, connected, departed
from saml import build
from saml.keys import signer
from support.visitor import Visitor
from world import World, request_id_of

from llmops.base.sealing import Sealer
from llmops.broker import connections, logins, traces
from llmops.broker.connections import Connection
from llmops.broker.logins import Login
from llmops.broker.saml.rules import Check
from llmops.broker.traces import ProfileField, Received, Trace
from llmops.db.tables import one

SEALER = Sealer(("a secret of the tests, long enough 0123456789",))
CODE = "authorization-code-0123456789"
SECRET = 'client "secret" \\ 0123456789'


def last(world: World) -> tuple[Login, Trace]:
    with world.database.reading() as db:
        login = one(db, Login, Login.rows().order_by(Login.started_at.desc(), Login.id.desc()))
    assert login is not None
    return login, logins.trace_of(login, world.site.sealer)


def told(trace: Trace) -> Received:
    assert trace.received is not None
    return trace.received


def row(trace: Trace, field: str) -> tuple[str, tuple[str, ...], str]:
    found = next(one for one in told(trace).profile if one.field == field)
    return found.name, found.values, found.outcome


def names(checks: Sequence[Check], outcome: str) -> list[str]:
    return [check.name for check in checks if check.outcome == outcome]


# --- SAML ------------------------------------------------------------------------------------------------------------


def test_a_sign_in_keeps_what_arrived(world: World) -> None:
    world.saml_sign_in(world.visitor(), world.saml(world.organization()))
    _, trace = last(world)
    assert told(trace).verified
    assert told(trace).protocol == "SAML"
    assert told(trace).subject == "ann@acme.test"
    assert ("firstName", ("Ann",)) in told(trace).values
    assert row(trace, "email") == ("email", ("ann@acme.test",), "found")
    assert row(trace, "groups") == ("", (), "not sent")
    assert "<saml:Subject>" in told(trace).message
    assert names(trace.checks, "refused") == []


def test_a_refused_message_is_kept_as_not_verified(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)), by=signer("other"))
    world.post_response(visitor, connection, encoded)
    login, trace = last(world)
    assert login.code == "saml_key_unknown"
    assert not told(trace).verified
    assert row(trace, "email") == ("email", ("ann@acme.test",), "found")
    assert trace.facts is not None
    assert trace.facts["seen"] == signer("other").certificate.fingerprint_sha256
    assert trace.facts["expected"] == signer().certificate.fingerprint_sha256


@pytest.mark.parametrize("moment", ["NotOnOrAfter", "NotBefore"])
def test_both_clocks_are_kept(world: World, moment: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    theirs = "2026-11-24T11:00:00Z" if moment == "NotOnOrAfter" else "2026-11-24T13:00:00Z"
    change = build.attribute("Assertion/Conditions", moment, theirs)
    encoded = world.response(connection, request_id_of(world.depart(visitor)), before=[change])
    world.post_response(visitor, connection, encoded)
    facts = last(world)[1].facts or {}
    assert facts["seen"].startswith(theirs.replace("T", " ").rstrip("Z"))
    assert facts["expected"].startswith("2026-11-24 12:00:00")


def test_a_missing_name_lists_what_arrived(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    sent = [("email", ["ann@acme.test"]), ("firstName", ["Ann"]), ("Nachname", ["Lee"])]
    encoded = world.response(connection, request_id_of(world.depart(visitor)), attributes=sent)
    world.post_response(visitor, connection, encoded)
    login, trace = last(world)
    assert login.code == "last_name_missing"
    assert row(trace, "last_name") == ("", (), "missing")
    assert [name for name, _ in told(trace).values] == ["email", "firstName", "Nachname"]
    assert names(trace.checks, "refused") == ["last_name_missing"]


def test_an_address_outside_the_domains_is_marked(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)), address="ann@else.test")
    world.post_response(visitor, connection, encoded)
    assert row(last(world)[1], "email") == ("email", ("ann@else.test",), "wrong domain")


def test_the_address_in_the_name_id_is_found_there(world: World) -> None:
    sent = [("firstName", ["Ann"]), ("lastName", ["Lee"])]
    world.saml_sign_in(world.visitor(), world.saml(world.organization()), attributes=sent)
    assert row(last(world)[1], "email") == ("NameID", ("ann@acme.test",), "found")


def test_names_are_shown_as_they_were_sent(world: World) -> None:
    sent = [("EMAIL", ["ann@acme.test"]), ("GivenName", ["Ann"]), ("SN", ["Lee"])]
    world.saml_sign_in(world.visitor(), world.saml(world.organization()), attributes=sent)
    trace = last(world)[1]
    assert [row(trace, field)[0] for field in ("email", "first_name", "last_name")] == ["EMAIL", "GivenName", "SN"]


@pytest.mark.parametrize(
    ("values", "outcome"),
    [(["ann@acme.test", "ann@else.test"], "several addresses"), (["nobody"], "not an address")],
)
def test_an_unusable_address_says_why(world: World, values: list[str], outcome: str) -> None:
    sent = [("email", values), ("firstName", ["Ann"]), ("lastName", ["Lee"])]
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)), attributes=sent, subject="u-1")
    world.post_response(visitor, connection, encoded)
    assert row(last(world)[1], "email")[2] == outcome


@pytest.mark.requirement("WEB-06")
def test_what_arrives_is_bounded_in_length_and_number(world: World) -> None:
    long = [("groups", [f"group-{number}" for number in range(200)]), ("memo", ["x" * 5000])]
    many = [(f"{'n' * 300}{number}", ["1"]) for number in range(150)]
    usual = [("email", ["ann@acme.test"]), ("firstName", ["Ann"]), ("lastName", ["Lee"])]
    world.saml_sign_in(world.visitor(), world.saml(world.organization()), attributes=[*usual, *long, *many])
    received = told(last(world)[1])
    assert len(received.values) == traces.MOST_NAMES + 1
    assert received.values[-1][0] == "… and 55 more"
    assert max(len(name) for name, _ in received.values) == traces.LONGEST_NAME
    groups = dict(received.values)["groups"]
    assert (len(groups), groups[-1]) == (traces.MOST_VALUES + 1, "… and 150 more")
    assert len(dict(received.values)["memo"][0]) == traces.LONGEST_VALUE + 1
    assert len(received.message) < traces.LONGEST_MESSAGE + 100


@pytest.mark.requirement("WEB-06")
def test_an_answer_to_no_attempt_is_kept_shorter(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    sent = [("memo", ["x" * 100_000])]
    world.post_response(visitor, connection, world.response(connection, "_unknown", attributes=sent))
    login, trace = last(world)
    assert login.how == "unmatched"
    assert len(told(trace).message) < traces.LONGEST_UNMATCHED + 100


@pytest.mark.requirement("SEC-05")
def test_a_trace_is_sealed_for_its_own_row(world: World) -> None:
    world.saml_sign_in(world.visitor(), world.saml(world.organization()))
    cell = world.value("SELECT trace FROM logins")
    assert "ann@acme.test" not in cell
    with pytest.raises(Exception, match="secret_key_mismatch"):
        traces.opened(world.site.sealer, "login_of_another", cell)


# --- OpenID Connect --------------------------------------------------------------------------------------------------


@pytest.fixture
def idp() -> Provider:
    return Provider()


@pytest.fixture
def connection(world: World, idp: Provider) -> Connection:
    return connected(world, idp, secret=SECRET)


def come_back(
    world: World, visitor: Visitor, connection: Connection, idp: Provider, code: str = CODE
) -> dict[str, str]:
    """A whole attempt; returns the values that were secret in it."""
    idp.nonce = ""
    state = departed(world, visitor, idp)
    visitor.get(f"/sso/oidc/{connection.id}/callback?code={code}&state={state}&iss={op.ISSUER}")
    return {"state": state, "nonce": idp.nonce, "code": code, "access token": op.ACCESS_TOKEN}


def test_claims_and_every_step_are_kept(world: World, connection: Connection, idp: Provider) -> None:
    idp.told = {"groups": ["staff", "dev"]}
    come_back(world, world.visitor(), connection, idp)
    _, trace = last(world)
    assert told(trace).verified
    assert row(trace, "first_name") == ("given_name", ("Ann",), "found")
    assert row(trace, "groups") == ("groups", ("staff", "dev"), "found")
    assert names(trace.checks, "passed") == [
        "state", "browser", "callback", "token_endpoint", "id_token.signature", "id_token.issuer", "id_token.audience",
        "id_token.times", "id_token.nonce", "userinfo",
    ]  # fmt: skip
    assert json.loads(told(trace).message)["id_token_claims"]["sub"] == "ann"


def test_a_failing_token_keeps_its_claims_and_the_steps_before(
    world: World, connection: Connection, idp: Provider
) -> None:
    idp.claims = {"aud": "another-client"}
    come_back(world, world.visitor(), connection, idp)
    login, trace = last(world)
    assert login.code == "oidc_wrong_audience"
    assert names(trace.checks, "passed")[-1] == "id_token.issuer"
    assert names(trace.checks, "refused") == ["oidc_wrong_audience"]
    assert not told(trace).verified
    assert ("aud", ("another-client",)) in told(trace).values


def test_both_clocks_of_a_token_are_kept(world: World, connection: Connection, idp: Provider) -> None:
    idp.claims = {"exp": op.MOMENT - 3600}
    come_back(world, world.visitor(), connection, idp)
    facts = last(world)[1].facts or {}
    assert (facts["now"], facts["exp"]) == (str(op.MOMENT), str(op.MOMENT - 3600))


@pytest.mark.requirement("SEC-04", "OIDC-23", "TST-19")
@pytest.mark.parametrize("fails", [False, True])
def test_no_secret_gets_into_a_trace_even_if_the_provider_repeats_it(
    world: World, connection: Connection, idp: Provider, fails: bool
) -> None:
    visitor = world.visitor()
    idp.told = {"echo": f"{CODE} {op.ACCESS_TOKEN} {SECRET}", "access_token": "inner-token-1", SECRET: "named"}
    idp.claims = {"comment": SECRET} | ({"email": None} if fails else {})
    hidden = come_back(world, visitor, connection, idp)
    login, trace = last(world)
    assert (login.code is not None) is fails
    kept = world.site.sealer.unseal(login.trace or "", place=f"logins.trace:{login.id}")
    escaped = json.dumps(SECRET)[1:-1]
    twice = json.dumps(escaped)[1:-1]
    for secret in [*hidden.values(), "inner-token-1", SECRET, escaped, twice, op.at_hash("sha256")]:
        assert secret not in kept
    verifier = idp.forms[0]["code_verifier"]
    assert verifier not in kept
    assert told(trace).message


@pytest.mark.requirement("SEC-04", "OIDC-23")
def test_an_error_that_repeats_the_code_is_kept_without_it(world: World, connection: Connection, idp: Provider) -> None:
    idp.token_error = (400, f"invalid_grant for {CODE}")
    come_back(world, world.visitor(), connection, idp)
    facts = last(world)[1].facts or {}
    assert facts["error"] == "invalid_grant for [removed]"


@pytest.mark.requirement("SEC-04", "SAML-03")
def test_no_key_or_signature_of_saml_gets_into_a_trace(world: World) -> None:
    connection = world.saml(world.organization())
    world.saml_sign_in(world.visitor(), connection, style="both")
    login, _ = last(world)
    kept = world.site.sealer.unseal(login.trace or "", place=f"logins.trace:{login.id}")
    pem = connections.private_key_pem(connection, world.site.sealer) or ""
    assert pem
    assert "PRIVATE KEY" not in kept
    assert signer().certificate.encoded[:60] not in kept
    assert "code=" not in kept


# --- The cell --------------------------------------------------------------------------------------------------------


def a_trace() -> Trace:
    received = Received(
        protocol="SAML", verified=True, subject="ann", subject_format="f", values=(("email", ("a", "b")),),
        profile=(ProfileField("email", "mail", ("a",), "found"),), message="<a/>\n",
    )  # fmt: skip
    return Trace((Check("audience", "refused", "x", "y"),), {"seen": "x"}, received)


def test_a_trace_comes_back_as_it_was() -> None:
    assert traces.opened(SEALER, "login_1", traces.sealed(SEALER, "login_1", a_trace())) == a_trace()


def test_traces_from_before_there_was_anything_received_can_be_read() -> None:
    old = json.dumps({"checks": [{"name": "a", "outcome": "passed", "seen": "", "expected": ""}], "facts": {}})
    cell = SEALER.seal(old, place="logins.trace:login_1")
    assert traces.opened(SEALER, "login_1", cell).received is None


@pytest.mark.requirement("SEC-04")
def test_a_secret_that_is_one_of_our_words_does_not_break_the_trace() -> None:
    cell = traces.sealed(SEALER, "login_1", a_trace(), secrets=["checks", "received", "refused", "profile"])
    assert traces.opened(SEALER, "login_1", cell) == a_trace()


@pytest.mark.parametrize(
    ("name", "secret"),
    [("access_token", True), ("userPassword", True), ("x-api-key", True), ("email", False), ("department", False)],
)
def test_names_of_secrets_are_known(name: str, secret: bool) -> None:
    assert traces.is_secret_name(name) is secret
    shown = dict(traces.bounded({name: ["value"]}))[name]
    assert shown == (("[removed]",) if secret else ("value",))
