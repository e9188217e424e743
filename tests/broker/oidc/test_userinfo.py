"""UserInfo can add to what the ID token says, about the same person only."""

import json
from collections.abc import Mapping

import pytest
from oidc.provider import (
    ABSENT,
    CLIENT_ID,
    ISSUER,
    MOMENT,
    NOW,
    Answer,
    Server,
    Token,
    key_set,
    provider,
    rsa_key,
    says,
)

from llmops.broker.oidc.id_token import Claims
from llmops.broker.oidc.userinfo import merge, userinfo
from llmops.errors import (
    Failure,
    IdpError,
    IdpUnavailable,
    OidcAlgorithmRefused,
    OidcExpired,
    OidcKeyUnknown,
    OidcMalformed,
    OidcSignatureInvalid,
    OidcWrongAudience,
    OidcWrongIssuer,
    OidcWrongSubject,
)


def ann(**values: object) -> Claims:
    return Claims(issuer=ISSUER, subject="ann", auth_time=None, values={"iss": ISSUER, "sub": "ann", **values})


def ask(server: Server, **changes: object) -> Mapping[str, object]:
    return userinfo(
        provider(**changes), "at", claims=ann(), client_id=CLIENT_ID, keys=key_set(), fetcher=server, now=NOW
    )


def signed(token: Token) -> Server:
    return Server(Answer(body=token.make().encode(), content_type="application/jwt"))


def test_claims_come_back_for_the_access_token() -> None:
    server = says({"sub": "ann", "given_name": "Ann"})
    assert ask(server)["given_name"] == "Ann"
    [call] = server.calls
    assert (call.method, call.url, call.redirects) == ("GET", ISSUER + "/userinfo", 0)
    assert call.headers["Authorization"] == "Bearer at"


def test_provider_without_userinfo_is_not_asked() -> None:
    server = says({})
    assert ask(server, userinfo_endpoint=ABSENT) == {}
    assert server.calls == []


@pytest.mark.requirement("OIDC-15", "TST-06")
@pytest.mark.parametrize("told", [{}, {"sub": "bob"}, {"sub": "ANN"}, {"sub": ["ann"]}, {"sub": "ann "}, {"sub": None}])
def test_another_subject_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(OidcWrongSubject):
        ask(says(told))


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(status=401), IdpError),
        (Answer(status=302), IdpError),
        (Answer(status=503), IdpUnavailable),
        (Answer(body=b'{"sub": "ann", "sub": "ann"}'), OidcMalformed),
        (Answer(body=b'{"sub": "ann"}', content_type="text/html"), OidcMalformed),
        (Answer(body=b"[]"), OidcMalformed),
        (Answer(body=b"\xff", content_type="application/jwt"), OidcMalformed),
    ],
)
def test_unusable_answer_is_refused(answer: Answer, failure: type[Failure]) -> None:
    with pytest.raises(failure):
        ask(Server(answer))


@pytest.mark.requirement("OIDC-15")
@pytest.mark.parametrize("claims", [{}, {"exp": ABSENT, "iat": ABSENT}, {"iss": ABSENT}, {"iat": ABSENT}])
def test_signed_answer_is_read(claims: dict[str, object]) -> None:
    if "iss" in claims:
        with pytest.raises(OidcWrongIssuer):
            ask(signed(Token(claims=claims)))
    else:
        assert ask(signed(Token(claims=claims)))["email"] == "ann@example.test"


@pytest.mark.requirement("OIDC-15", "OIDC-07")
@pytest.mark.parametrize(
    ("token", "failure"),
    [
        (Token(key=rsa_key("other")), OidcSignatureInvalid),
        (Token(header={"kid": "other"}), OidcKeyUnknown),
        (Token(algorithm="none"), OidcAlgorithmRefused),
        (Token(algorithm="HS256", key=b"secret"), OidcAlgorithmRefused),
        (Token(algorithm="PS512"), OidcAlgorithmRefused),
        (Token(claims={"iss": "https://evil.test"}), OidcWrongIssuer),
        (Token(claims={"aud": "client-2"}), OidcWrongAudience),
        (Token(claims={"aud": ABSENT}), OidcWrongAudience),
        (Token(claims={"exp": MOMENT - 181}), OidcExpired),
        (Token(claims={"sub": "bob"}), OidcWrongSubject),
    ],
)
def test_signed_answer_is_judged_like_an_id_token(token: Token, failure: type[Failure]) -> None:
    with pytest.raises(failure):
        ask(signed(token))


@pytest.mark.requirement("OIDC-15")
def test_userinfo_fills_gaps_and_changes_nothing() -> None:
    merged = merge(
        ann(name="Ann"),
        {"sub": "ann", "name": "Eve", "family_name": "Lee", "iss": "x", "tid": "t", "hd": "evil.test", "acr": "mfa"},
    )
    assert merged == {"iss": ISSUER, "sub": "ann", "name": "Ann", "family_name": "Lee"}


@pytest.mark.requirement("OIDC-15")
@pytest.mark.parametrize(
    "name", ["aud", "azp", "nonce", "exp", "iat", "nbf", "auth_time", "amr", "at_hash", "oid", "sid", "jti"]
)
def test_claim_of_the_id_token_cannot_be_added(name: str) -> None:
    assert name not in merge(ann(), {"sub": "ann", name: "x"})


A, B = "ann@example.test", "eve@evil.test"


@pytest.mark.requirement("OIDC-15", "OIDC-17")
@pytest.mark.parametrize(
    ("own", "told", "expected"),
    [
        ({"email": A}, {"email": B, "email_verified": True}, {"email": A}),
        ({"email": A}, {"email_verified": True}, {"email": A}),
        ({"email": A}, {"email": A, "email_verified": True}, {"email": A, "email_verified": True}),
        (
            {"email": A, "email_verified": False},
            {"email": A, "email_verified": True},
            {"email": A, "email_verified": False},
        ),
        ({"email": A, "email_verified": True}, {"email": B}, {"email": A, "email_verified": True}),
        ({"email": A, "email_verified": True}, {}, {"email": A, "email_verified": True}),
        ({"email_verified": True}, {"email": B}, {"email": B}),
        ({"email_verified": True}, {"email": B, "email_verified": False}, {"email": B, "email_verified": False}),
        ({}, {"email": A, "email_verified": True}, {"email": A, "email_verified": True}),
    ],
)
def test_email_is_verified_only_by_whoever_named_it(
    own: dict[str, object], told: dict[str, object], expected: dict[str, object]
) -> None:
    merged = merge(ann(**own), {"sub": "ann", **told})
    assert {name: merged[name] for name in ("email", "email_verified") if name in merged} == expected


def test_unicode_is_kept() -> None:
    body = json.dumps({"sub": "ann", "name": "Ånn Łee 😀"}).encode()
    assert ask(Server(Answer(body=body)))["name"] == "Ånn Łee 😀"
