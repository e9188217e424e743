"""Which published keys may verify, and which one a token's header means."""

import json

import pytest
from oidc.provider import Answer, Server, ec_key, ed_key, jwk, jwks, key_set, rsa_key

from llmops.broker.oidc import keys
from llmops.errors import (
    IdpUnavailable,
    OidcAlgorithmRefused,
    OidcDiscoveryInvalid,
    OidcKeyUnknown,
    OidcMalformed,
    OutboundUnreachable,
    OutboundUnusable,
)

GOOD = jwk(rsa_key(), kid="current")

UNUSABLE = {
    "for encryption": {**GOOD, "use": "enc"},
    "not for verifying": {**GOOD, "key_ops": ["wrapKey"]},
    "key_ops is text": {**GOOD, "key_ops": "verify"},
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "current"},
    "private half published": {**GOOD, "d": "AQAB"},
    "small RSA": jwk(rsa_key("small", bits=1024)),
    "huge RSA": {**GOOD, "n": "_" * 2000},
    "RSA with exponent 1": {**GOOD, "e": "AQ"},
    "RSA with a long exponent": {**GOOD, "e": "AQAAAAAB"},
    "RSA without modulus": {"kty": "RSA", "e": "AQAB"},
    "modulus is a number": {**GOOD, "n": 5},
    "modulus is not base64url": {**GOOD, "n": "a+b/c="},
    "secp256k1": jwk(ec_key("K-256")),
    "point not on the curve": {**jwk(ec_key()), "y": jwk(ec_key())["x"]},
    "curve in a list": {**jwk(ec_key()), "crv": ["P-256"]},
    "curve of another type": {**jwk(ec_key()), "kty": "OKP"},
    "Ed25519 as another type": {**jwk(ed_key()), "kty": "EC", "y": "AQAB"},
    "X25519": {"kty": "OKP", "crv": "X25519", "x": jwk(ed_key())["x"]},
    "Ed25519 of another length": {"kty": "OKP", "crv": "Ed25519", "x": "AQAB"},
    "HMAC algorithm on an RSA key": {**GOOD, "alg": "HS256"},
    "algorithm of another type": {**GOOD, "alg": "ES256"},
    "algorithm for encryption": {**GOOD, "alg": "RSA-OAEP"},
    "algorithm is a list": {**GOOD, "alg": ["RS256"]},
    "kid is a number": {**GOOD, "kid": 7},
    "unknown type": {"kty": "lattice", "kid": "current"},
    "no type": {"kid": "current"},
}


@pytest.mark.requirement("OIDC-08", "TST-06")
@pytest.mark.parametrize("name", UNUSABLE)
def test_key_that_cannot_verify_is_left_out(name: str) -> None:
    other = jwk(rsa_key("other"), kid="other")
    assert [key.kid for key in key_set(UNUSABLE[name], other).keys] == ["other"]


@pytest.mark.requirement("OIDC-08")
def test_set_without_a_usable_key_is_refused() -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        key_set(UNUSABLE["symmetric"])


@pytest.mark.requirement("OIDC-13", "TST-06")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": ["x"]}',
        b'{"keys": [], "keys": []}',
        json.dumps({"keys": [GOOD] * 101}).encode(),
        json.dumps({"keys": [GOOD]}).replace('"kid"', '"kty": "RSA", "kid"').encode(),
        b"\xef\xbb\xbf" + jwks(),
    ],
)
def test_hostile_document_is_refused(body: bytes) -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        keys.read(body)


def test_every_kind_of_key_gets_its_own_algorithms() -> None:
    found = key_set(GOOD, *(jwk(ec_key(curve)) for curve in ("P-256", "P-384", "P-521")), jwk(ed_key()))
    assert [sorted(key.algorithms) for key in found.keys] == [
        ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
        ["ES256"],
        ["ES384"],
        ["ES512"],
        ["EdDSA"],
    ]


@pytest.mark.requirement("OIDC-08")
def test_key_with_alg_serves_that_algorithm_only() -> None:
    found = key_set({**GOOD, "alg": "RS256"})
    assert keys.find(found, kid="current", algorithm="RS256").kid == "current"
    with pytest.raises(OidcAlgorithmRefused):
        keys.find(found, kid="current", algorithm="PS256")


def test_key_that_says_it_verifies_is_kept() -> None:
    assert len(key_set({**GOOD, "key_ops": ["verify"]}).keys) == 1


def test_a_hundred_keys_are_read() -> None:
    assert len(key_set(*[GOOD] * 100).keys) == 100


@pytest.mark.requirement("OIDC-08")
def test_missing_kid_with_no_fitting_key_is_unknown() -> None:
    with pytest.raises(OidcKeyUnknown):
        keys.find(key_set(GOOD), kid=None, algorithm="ES256")


def test_one_kid_for_two_types_is_told_apart_by_algorithm() -> None:
    found = key_set(GOOD, jwk(ec_key(), kid="current"))
    assert keys.find(found, kid="current", algorithm="ES256").algorithms == {"ES256"}


def test_stored_keys_read_back_equal_in_meaning() -> None:
    found = key_set({**GOOD, "alg": "RS256", "use": "sig", "x5c": ["AAAA"], "d2": 1}, jwk(ed_key(), kid="ed"))
    again = keys.read(json.dumps(found.to_dict()).encode())
    assert [(key.kid, key.algorithms, key.members) for key in again.keys] == [
        (key.kid, key.algorithms, key.members) for key in found.keys
    ]
    assert "x5c" not in found.keys[0].members


@pytest.mark.requirement("OIDC-08", "NET-04")
def test_fetch_asks_the_stored_address_without_redirects() -> None:
    server = Server(Answer(body=jwks(), content_type="application/jwk-set+json; charset=utf-8"))
    assert [key.kid for key in keys.fetch("https://idp.example.test/keys", server).keys] == ["current"]
    assert [(call.method, call.url, call.redirects) for call in server.calls] == [
        ("GET", "https://idp.example.test/keys", 0)
    ]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(404, jwks()), OidcDiscoveryInvalid),
        (Answer(302, jwks()), OidcDiscoveryInvalid),
        (Answer(body=jwks(), content_type="text/html"), OidcDiscoveryInvalid),
        (Answer(status=503), IdpUnavailable),
        (Answer(status=429), IdpUnavailable),
        (OutboundUnreachable(host="idp.example.test", reason="timeout"), IdpUnavailable),
        (OutboundUnusable(host="idp.example.test", reason="too-large"), OidcMalformed),
    ],
)
def test_fetch_that_brings_no_keys_fails(answer: Answer | Exception, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        keys.fetch("https://idp.example.test/keys", Server(answer))
