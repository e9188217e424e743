"""The address that the browser is sent to, and the values that tie the answer to the attempt."""

from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from oidc.provider import ISSUER, provider

from llmops.broker.oidc import request

HELD = {"client_id": "client-1", "redirect_uri": "https://us.test/cb?a=1&b=2", "state": "s", "nonce": "n"}


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)


@pytest.mark.requirement("OIDC-02", "OIDC-03", "OIDC-04")
def test_attempts_are_random_and_long() -> None:
    attempts = [request.new_attempt() for _ in range(50)]
    values = [value for attempt in attempts for value in (attempt.state, attempt.nonce, attempt.verifier)]
    assert len(set(values)) == 150
    assert all(43 <= len(value) <= 128 for value in values)


def test_attempt_does_not_print_its_verifier() -> None:
    attempt = request.new_attempt()
    assert attempt.verifier not in repr(attempt)


@pytest.mark.requirement("OIDC-04")
def test_challenge_is_the_one_of_the_specification() -> None:
    # RFC 7636, appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert request.challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.requirement("OIDC-01", "OIDC-03", "OIDC-04", "OIDC-23")
def test_request_asks_for_a_code_with_pkce_and_nonce() -> None:
    url = request.authorization_url(provider(), **HELD, verifier="v" * 43)
    assert url.startswith(ISSUER + "/authorize?")
    assert query(url) == {
        "response_type": ["code"],
        "client_id": ["client-1"],
        "redirect_uri": ["https://us.test/cb?a=1&b=2"],
        "scope": ["openid profile email"],
        "state": ["s"],
        "nonce": ["n"],
        "code_challenge": [request.challenge("v" * 43)],
        "code_challenge_method": ["S256"],
    }


@pytest.mark.requirement("OIDC-04")
def test_pkce_is_sent_when_the_document_does_not_list_it() -> None:
    silent = provider(code_challenge_methods_supported=["plain"])
    assert query(request.authorization_url(silent, **HELD, verifier="v" * 43))["code_challenge_method"] == ["S256"]


@pytest.mark.requirement("OIDC-20")
def test_hints_are_sent_when_given() -> None:
    url = request.authorization_url(
        provider(), **HELD, verifier="v" * 43, login_hint="ann+x@example.test", max_age_seconds=0, hd="example.test"
    )
    asked = query(url)
    assert [asked[name] for name in ("login_hint", "max_age", "hd")] == [
        ["ann+x@example.test"],
        ["0"],
        ["example.test"],
    ]


def test_openid_is_always_among_the_scopes_once() -> None:
    url = request.authorization_url(provider(), **HELD, verifier="v" * 43, scopes=["email", "openid", "email"])
    assert query(url)["scope"] == ["openid email"]


def test_query_of_the_endpoint_is_kept() -> None:
    policy = provider(authorization_endpoint=ISSUER + "/authorize?p=B2C_1_sign%20in")
    pairs = parse_qsl(urlsplit(request.authorization_url(policy, **HELD, verifier="v" * 43)).query)
    assert pairs[0] == ("p", "B2C_1_sign in")
    assert ("state", "s") in pairs


def test_values_cannot_add_parameters() -> None:
    url = request.authorization_url(provider(), **{**HELD, "state": "s&scope=admin#"}, verifier="v" * 43)
    assert query(url)["state"] == ["s&scope=admin#"]
    assert query(url)["scope"] == ["openid profile email"]


def test_claims_are_asked_for_by_name_where_the_provider_heeds_that() -> None:
    def asked(**document: object) -> list[str]:
        url = request.authorization_url(
            provider(**document),
            client_id="client-1",
            redirect_uri="https://llm-ops.test/callback",
            state="s",
            nonce="n",
            verifier="v" * 43,
            claims=("email", "given_name"),
        )
        return parse_qs(urlsplit(url).query).get("claims", [])

    assert asked(claims_parameter_supported=True) == ['{"userinfo":{"email":null,"given_name":null}}']
    assert asked() == []
