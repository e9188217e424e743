"""Whatever arrives, the answer is a typed refusal or an unchanged identity, never a crash."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oidc.provider import ACCESS_TOKEN, ISSUER, NOW, Token, document, jwks, key_set, rules

from llmops.broker.oidc import discovery, keys
from llmops.broker.oidc.callback import read_callback, require_code
from llmops.broker.oidc.id_token import check_id_token
from llmops.errors import SignInFailure

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def judged(token: str) -> str:
    return check_id_token(token, key_set(), rules=rules(), access_token=ACCESS_TOKEN, now=NOW).subject


@pytest.mark.requirement("TST-07", "OIDC-12")
@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "azp", "at_hash", "auth_time"]), JSON)
def test_any_value_of_a_checked_claim_is_refused_or_harmless(name: str, value: object) -> None:
    try:
        subject = judged(Token(claims={name: value}).make())
    except SignInFailure:
        return
    assert subject == (value if name == "sub" else "ann")


@pytest.mark.requirement("OIDC-13")
@settings(max_examples=100, deadline=None)
@given(JSON, JSON)
def test_any_header_and_payload_are_refused(header: object, payload: object) -> None:
    token = Token(raw_header=json.dumps(header).encode(), raw_claims=json.dumps(payload).encode())
    with pytest.raises(SignInFailure):
        judged(token.make())


@pytest.mark.requirement("OIDC-08", "OIDC-16")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_change_of_published_documents_is_read_or_refused(data: st.DataObject) -> None:
    whole, read = data.draw(
        st.sampled_from([(jwks(), keys.read), (document(), lambda body: discovery.read(body, issuer=ISSUER))])
    )
    place = data.draw(st.integers(0, len(whole)))
    spoilt = whole[:place] + data.draw(st.binary(max_size=4)) + whole[place + data.draw(st.integers(0, 40)) :]
    try:
        read(spoilt)
    except SignInFailure:
        return


@pytest.mark.requirement("OIDC-08")
@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "alg", "use", "key_ops", "kid"]), JSON))
def test_any_key_is_read_or_left_out(members: dict[str, object]) -> None:
    good = json.loads(jwks())["keys"][0]
    assert keys.read(json.dumps({"keys": [good, {**good, **members}]}).encode()).keys[0].kid == "current"


@pytest.mark.requirement("OIDC-21")
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["state", "code", "error", "error_description", "iss", "x"]), st.text())))
def test_any_query_brings_a_code_or_a_refusal(pairs: list[tuple[str, str]]) -> None:
    known = discovery.read(document(), issuer=ISSUER)
    try:
        code = require_code(read_callback(pairs), known)
    except SignInFailure:
        return
    assert dict(pairs)["code"] == code
    assert dict(pairs)["iss"] == ISSUER
