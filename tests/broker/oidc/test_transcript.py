"""What a trace shows of an ID token and UserInfo: what they say, never what proves it."""

import json

import pytest
from oidc.provider import ACCESS_TOKEN, NONCE, Token, at_hash, rsa_key

from llmops.broker.oidc import transcript

PROOFS = {"jti": "jti-1", "sid": "sid-1", "c_hash": "c-hash-1", "s_hash": "s-hash-1"}


def hides(name: str) -> bool:
    return "token" in name


def shown(token: str, userinfo: dict[str, object] | None = None) -> str:
    heard = transcript.heard(token)
    assert heard is not None
    return transcript.written(*heard, userinfo, hides=hides)


def test_header_claims_and_userinfo_are_shown() -> None:
    told = json.loads(shown(Token().make(), {"sub": "ann", "given_name": "Ann"}))
    assert told["id_token_header"] == {"alg": "RS256", "kid": "current", "typ": "JWT"}
    assert told["id_token_claims"]["email"] == "ann@example.test"
    assert told["userinfo"] == {"sub": "ann", "given_name": "Ann"}


@pytest.mark.requirement("OIDC-23", "SEC-04")
def test_what_proves_something_is_taken_out() -> None:
    text = shown(Token(claims=PROOFS).make())
    for secret in (NONCE, at_hash("sha256"), *PROOFS.values()):
        assert secret not in text


@pytest.mark.requirement("OIDC-23", "SEC-04")
def test_a_token_inside_the_answer_is_taken_out_by_name_and_by_look() -> None:
    inner = Token().make()
    said: dict[str, object] = {"refresh_token": "r-1", "deep": {"access_token": "a-1"}, "other": ["x", inner]}
    text = shown(Token(claims=said).make(), {"sub": "ann", "note": inner})
    for secret in ("r-1", "a-1", inner, inner.split(".")[1]):
        assert secret not in text
    assert '"x"' in text


def test_a_token_of_another_key_is_heard_too() -> None:
    assert "ann@example.test" in shown(Token(key=rsa_key("other")).make())


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "x" * 20000, f"{ACCESS_TOKEN}.x.y"])
def test_what_is_no_token_is_not_heard(token: str) -> None:
    assert transcript.heard(token) is None
