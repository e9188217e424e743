"""What a discovery document must say, and what is kept of it."""

import json

import pytest
from oidc.provider import ABSENT, ISSUER, Answer, Server, document, provider

from llmops.broker.oidc import discovery
from llmops.errors import OidcDiscoveryInvalid, OutboundUnreachable

REFUSED: dict[str, dict[str, object]] = {
    "no issuer": {"issuer": ABSENT},
    "another issuer": {"issuer": "https://evil.test"},
    "issuer with a slash": {"issuer": ISSUER + "/"},
    "issuer in other case": {"issuer": "https://IDP.example.test"},
    "issuer in a list": {"issuer": [ISSUER]},
    "no authorization endpoint": {"authorization_endpoint": ABSENT},
    "no token endpoint": {"token_endpoint": ABSENT},
    "no keys": {"jwks_uri": ABSENT},
    "token endpoint on http": {"token_endpoint": "http://idp.example.test/token"},
    "keys on http": {"jwks_uri": "http://idp.example.test/keys"},
    "authorization endpoint is a script": {"authorization_endpoint": "javascript:alert(1)"},
    "authorization endpoint without host": {"authorization_endpoint": "https:///authorize"},
    "userinfo is a file": {"userinfo_endpoint": "file:///etc/passwd"},
    "logout on http": {"end_session_endpoint": "http://idp.example.test/logout"},
    "user in the address": {"token_endpoint": "https://user:pw@idp.example.test/token"},
    "fragment in the address": {"token_endpoint": "https://idp.example.test/token#x"},
    "backslash in the address": {"authorization_endpoint": "https://idp.example.test\\@evil.test/"},
    "line break in the address": {"authorization_endpoint": "https://idp.example.test/a\nb"},
    "backslash in the path": {"authorization_endpoint": "https://idp.example.test/a\\b"},
    "delete character in the path": {"authorization_endpoint": "https://idp.example.test/a\x7fb"},
    "port that is none": {"token_endpoint": "https://idp.example.test:99999/token"},
    "address without end": {"token_endpoint": "https://idp.example.test/" + "a" * 2000},
    "address is a number": {"token_endpoint": 7},
    "preset response_type": {"authorization_endpoint": ISSUER + "/authorize?response_type=token"},
    "preset redirect_uri": {"authorization_endpoint": ISSUER + "/authorize?redirect_uri="},
    "no code flow": {"response_types_supported": ["id_token", "code id_token"]},
    "response types are null": {"response_types_supported": None},
    "response types not a list": {"response_types_supported": "code"},
    "only none": {"id_token_signing_alg_values_supported": ["none"]},
    "only HMAC": {"id_token_signing_alg_values_supported": ["HS256", "HS512"]},
    "no algorithms": {"id_token_signing_alg_values_supported": ABSENT},
    "no client secret": {"token_endpoint_auth_methods_supported": ["private_key_jwt", "none"]},
}


@pytest.mark.requirement("OIDC-07", "OIDC-16", "TST-06")
@pytest.mark.parametrize("name", REFUSED)
def test_document_is_refused(name: str) -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        discovery.read(document(**REFUSED[name]), issuer=ISSUER)


@pytest.mark.requirement("OIDC-16")
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"issuer": 1, "issuer": 1}', b'"\xff"'])
def test_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        discovery.read(body, issuer=ISSUER)


@pytest.mark.requirement("OIDC-16", "OIDC-18")
@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "idp.example.test",
        "http://idp.example.test",
        "https://idp.example.test?tenant=1",
        "https://idp.example.test#x",
        "https://idp.example.test/ ",
        "https://user@idp.example.test",
        "https://idp.example.tést",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/Organizations/v2.0",
        "https://login.microsoftonline.us/consumers/v2.0",
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://login.microsoftonline.com/9188040d-6c67-4b5b-b112-36a304b66dad/v2.0",
    ],
)
def test_issuer_is_refused_before_anything_is_fetched(issuer: str) -> None:
    server = Server(Answer(body=document(issuer=issuer)))
    with pytest.raises(OidcDiscoveryInvalid):
        discovery.fetch(issuer, server)
    assert server.calls == []


@pytest.mark.requirement("OIDC-07")
def test_algorithms_are_ours_and_theirs() -> None:
    offered = ["none", "HS256", "ES512", "RS256", "EdDSA", "ES256K", "PS384", 7]
    assert provider(id_token_signing_alg_values_supported=offered).algorithms == ("RS256", "PS384", "ES512", "EdDSA")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (ABSENT, "client_secret_basic"),
        (["client_secret_post", "client_secret_basic"], "client_secret_basic"),
        (["client_secret_post", "private_key_jwt"], "client_secret_post"),
    ],
)
def test_client_authentication_prefers_the_header(offered: object, chosen: str) -> None:
    assert provider(token_endpoint_auth_methods_supported=offered).client_auth == chosen


@pytest.mark.requirement("OIDC-04")
def test_missing_s256_warns_and_does_not_refuse() -> None:
    assert provider().warnings == ()
    assert len(provider(code_challenge_methods_supported=ABSENT).warnings) == 1
    assert len(provider(code_challenge_methods_supported=["plain"]).warnings) == 1


@pytest.mark.requirement("OIDC-05")
@pytest.mark.parametrize(("said", "kept"), [(True, True), (False, False), (ABSENT, False), ("true", False)])
def test_iss_in_the_callback_is_announced_by_true_only(said: object, kept: bool) -> None:
    assert provider(authorization_response_iss_parameter_supported=said).sends_iss is kept


def test_userinfo_and_logout_may_be_missing() -> None:
    found = provider(userinfo_endpoint=ABSENT, end_session_endpoint=ABSENT)
    assert (found.userinfo_endpoint, found.end_session_endpoint) == (None, None)


def test_http_is_read_when_the_caller_allows_it() -> None:
    issuer = "http://localhost:18083"
    body = document(issuer=issuer, token_endpoint=issuer + "/token")
    assert discovery.read(body, issuer=issuer, allow_http=True).token_endpoint == issuer + "/token"


@pytest.mark.requirement("OIDC-16")
@pytest.mark.parametrize("url", ["ftp://localhost/token", "file:///token", "//localhost/token", "localhost/token"])
def test_allowing_http_allows_no_other_scheme(url: str) -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        discovery.read(document(token_endpoint=url), issuer=ISSUER, allow_http=True)


def test_stored_provider_reads_back_equal() -> None:
    found = provider(code_challenge_methods_supported=ABSENT)
    assert discovery.Provider.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.requirement("NET-04")
@pytest.mark.parametrize("issuer", [ISSUER, ISSUER + "/"])
def test_fetch_strips_one_slash_in_the_address_only(issuer: str) -> None:
    server = Server(Answer(body=document(issuer=issuer)))
    assert discovery.fetch(issuer, server).issuer == issuer
    [call] = server.calls
    assert call.url == "https://idp.example.test/.well-known/openid-configuration"
    assert call.redirects == 3


@pytest.mark.parametrize(
    "answer", [Answer(404, document()), Answer(503, document()), Answer(body=document(), content_type="text/html")]
)
def test_fetch_without_a_document_fails(answer: Answer) -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        discovery.fetch(ISSUER, Server(answer))


def test_fetch_lets_the_administrator_see_why_a_server_was_not_reached() -> None:
    with pytest.raises(OutboundUnreachable):
        discovery.fetch(ISSUER, Server(OutboundUnreachable(host="idp.example.test", reason="timeout")))


@pytest.mark.requirement("OIDC-16")
def test_endpoints_on_another_host_are_named() -> None:
    fresh = provider(token_endpoint="https://evil.test/token", jwks_uri=ISSUER + "/new", end_session_endpoint=ABSENT)
    assert discovery.moved(provider(), fresh) == ("token_endpoint", "end_session_endpoint")
