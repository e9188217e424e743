"""Every check on an ID token, each broken alone; and what a good token yields."""

import json
import math
from contextlib import nullcontext
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from oidc.provider import (
    ABSENT,
    ACCESS_TOKEN,
    ISSUER,
    MOMENT,
    NOW,
    Token,
    at_hash,
    b64,
    ec_key,
    ed_key,
    good_claims,
    jwk,
    key_set,
    rsa_key,
    rules,
    sign,
)

from llmops.broker.oidc.id_token import Claims, check_id_token
from llmops.broker.oidc.keys import KeySet
from llmops.errors import (
    EmailNotVerified,
    OidcAlgorithmRefused,
    OidcExpired,
    OidcKeyUnknown,
    OidcMalformed,
    OidcSignatureInvalid,
    OidcWrongAudience,
    OidcWrongAuthnContext,
    OidcWrongIssuer,
    OidcWrongNonce,
    OidcWrongTenant,
    SignInFailure,
)


def check(token: Token | str, *, keys: KeySet | None = None, **changes: object) -> Claims:
    text = token if isinstance(token, str) else token.make()
    return check_id_token(text, keys or key_set(), rules=rules(**changes), access_token=ACCESS_TOKEN, now=NOW)


def with_claims(**claims: object) -> Token:
    return Token(claims=claims)


def with_header(**header: object) -> Token:
    return Token(header=header)


def raw_claims(text: str) -> Token:
    """A good token, written with `text` as its last members."""
    return Token(raw_claims=(json.dumps(good_claims())[:-1] + ", " + text + "}").encode())


def public_pem() -> bytes:
    return rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


REFUSED: dict[str, tuple[str, Token, type[SignInFailure]]] = {
    # the algorithm, fixed before the header is read
    "none": ("OIDC-07", Token(algorithm="none"), OidcAlgorithmRefused),
    "None in other case": ("OIDC-07", with_header(alg="nOnE"), OidcAlgorithmRefused),
    "no alg": ("OIDC-07", with_header(alg=ABSENT), OidcAlgorithmRefused),
    "alg is a list": ("OIDC-07", with_header(alg=["RS256"]), OidcAlgorithmRefused),
    "HS256 with the public key": ("OIDC-07", Token(algorithm="HS256", key=public_pem()), OidcAlgorithmRefused),
    "HS512 with the client's secret": ("OIDC-07", Token(algorithm="HS512", key=b"secret"), OidcAlgorithmRefused),
    "secp256k1": ("OIDC-07", with_header(alg="ES256K"), OidcAlgorithmRefused),
    # the signature
    "signed by another key": ("OIDC-07", Token(key=rsa_key("other")), OidcSignatureInvalid),
    "RS256 said, PS256 signed": ("OIDC-07", Token(algorithm="PS256", header={"alg": "RS256"}), OidcSignatureInvalid),
    "RS256 said, RS384 signed": ("OIDC-07", Token(algorithm="RS384", header={"alg": "RS256"}), OidcSignatureInvalid),
    "an EC algorithm for an RSA key": ("OIDC-08", Token(algorithm="ES256", key=ec_key()), OidcAlgorithmRefused),
    # keys that the token brings along
    "embedded jwk": (
        "OIDC-08",
        Token(header={"jwk": jwk(rsa_key("other"))}, key=rsa_key("other")),
        OidcSignatureInvalid,
    ),
    "jku of another server": (
        "OIDC-08",
        Token(header={"jku": "https://evil.test/keys", "kid": "evil"}, key=rsa_key("other")),
        OidcKeyUnknown,
    ),
    "embedded x5c": ("OIDC-08", Token(header={"x5c": ["AAAA"]}, key=rsa_key("other")), OidcSignatureInvalid),
    "unknown kid": ("OIDC-09", with_header(kid="rotated"), OidcKeyUnknown),
    "kid in other case": ("OIDC-08", with_header(kid="CURRENT"), OidcKeyUnknown),
    "kid is a number": ("OIDC-08", with_header(kid=1), OidcMalformed),
    "empty kid": ("OIDC-08", with_header(kid=""), OidcKeyUnknown),
    # the header
    "crit that nobody knows": ("OIDC-13", with_header(crit=["exp"]), OidcMalformed),
    "crit with b64": ("OIDC-13", with_header(crit=["b64"], b64=False), OidcMalformed),
    "b64 without crit": ("OIDC-13", with_header(b64=False), OidcMalformed),
    "an access token": ("OIDC-13", with_header(typ="at+jwt"), OidcMalformed),
    "a logout token": ("OIDC-13", with_header(typ="logout+jwt"), OidcMalformed),
    "typ is a number": ("OIDC-13", with_header(typ=1), OidcMalformed),
    "nested token": ("OIDC-13", with_header(cty="JWT"), OidcMalformed),
    "header of an encrypted token": ("OIDC-13", with_header(enc="A256GCM"), OidcMalformed),
    "compressed": ("OIDC-13", with_header(zip="DEF"), OidcMalformed),
    "header with alg twice": (
        "OIDC-13",
        Token(raw_header=b'{"alg":"none","kid":"current","alg":"RS256"}'),
        OidcMalformed,
    ),
    "header is a list": ("OIDC-13", Token(raw_header=b'["RS256"]'), OidcMalformed),
    "header is not JSON": ("OIDC-13", Token(raw_header=b"RS256"), OidcMalformed),
    # the payload as text
    "sub twice": ("OIDC-13", raw_claims('"sub": "bob"'), OidcMalformed),
    "a member twice deep inside": ("OIDC-13", raw_claims('"address": {"a": [{"b": 1, "b": 2}]}'), OidcMalformed),
    "NaN": ("OIDC-12", raw_claims('"nbf": NaN'), OidcMalformed),
    "not UTF-8": ("OIDC-13", Token(raw_claims=b'{"sub": "\xff"}'), OidcMalformed),
    "half a character": ("OIDC-13", raw_claims(r'"name": "\ud800"'), OidcMalformed),
    "NUL in text": ("OIDC-13", raw_claims(r'"name": "a\u0000b"'), OidcMalformed),
    "very deep": ("OIDC-13", raw_claims('"x": ' + "[" * 5000 + "]" * 5000), OidcMalformed),
    "very long number": ("OIDC-13", raw_claims('"nbf": ' + "9" * 5000), OidcMalformed),
    "payload is a string": ("OIDC-13", Token(raw_claims=b'"ann"'), OidcMalformed),
    # who says it
    "no iss": ("OIDC-10", with_claims(iss=ABSENT), OidcWrongIssuer),
    "another iss": ("OIDC-10", with_claims(iss="https://evil.test"), OidcWrongIssuer),
    "iss with a slash": ("OIDC-10", with_claims(iss=ISSUER + "/"), OidcWrongIssuer),
    "iss as a prefix": ("OIDC-10", with_claims(iss=ISSUER + ".evil.test"), OidcWrongIssuer),
    "iss in upper case": ("OIDC-10", with_claims(iss=ISSUER.upper()), OidcWrongIssuer),
    "iss in a list": ("OIDC-10", with_claims(iss=[ISSUER]), OidcWrongIssuer),
    # to whom
    "no aud": ("OIDC-11", with_claims(aud=ABSENT), OidcWrongAudience),
    "empty aud": ("OIDC-11", with_claims(aud=[]), OidcWrongAudience),
    "another aud": ("OIDC-11", with_claims(aud="client-2"), OidcWrongAudience),
    "aud that contains ours": ("OIDC-11", with_claims(aud="client-11"), OidcWrongAudience),
    "aud is an object": ("OIDC-11", with_claims(aud={"client-1": 1}), OidcWrongAudience),
    "aud with a number": ("OIDC-11", with_claims(aud=["client-1", 1]), OidcWrongAudience),
    "an unknown audience beside us": (
        "OIDC-11",
        with_claims(aud=["client-1", "client-2"], azp="client-1"),
        OidcWrongAudience,
    ),
    "azp of another client": ("OIDC-11", with_claims(azp="client-2"), OidcWrongAudience),
    "azp is a list": ("OIDC-11", with_claims(azp=["client-1"]), OidcWrongAudience),
    # about whom
    "no sub": ("OIDC-12", with_claims(sub=ABSENT), OidcMalformed),
    "empty sub": ("OIDC-12", with_claims(sub=""), OidcMalformed),
    "sub is a number": ("OIDC-12", with_claims(sub=7), OidcMalformed),
    "sub is null": ("OIDC-12", with_claims(sub=None), OidcMalformed),
    "sub too long": ("OIDC-12", with_claims(sub="a" * 256), OidcMalformed),
    "sub with a line break": ("OIDC-12", with_claims(sub="ann\n"), OidcMalformed),
    "sub in other letters": ("OIDC-12", with_claims(sub="аnn"), OidcMalformed),
    # when
    "no exp": ("OIDC-12", with_claims(exp=ABSENT), OidcMalformed),
    "exp is text": ("OIDC-12", with_claims(exp=str(MOMENT + 300)), OidcMalformed),
    "exp is true": ("OIDC-12", with_claims(exp=True), OidcMalformed),
    "exp is null": ("OIDC-12", with_claims(exp=None), OidcMalformed),
    "exp in the year 10000": ("OIDC-12", with_claims(exp=253402300800), OidcMalformed),
    "exp is infinite": ("OIDC-12", raw_claims('"nbf": 1e999'), OidcMalformed),
    "exp is negative": ("OIDC-12", with_claims(exp=-1), OidcMalformed),
    "expired": ("OIDC-12", with_claims(exp=MOMENT - 180), OidcExpired),
    "no iat": ("OIDC-12", with_claims(iat=ABSENT), OidcMalformed),
    "iat is text": ("OIDC-12", with_claims(iat=str(MOMENT)), OidcMalformed),
    "iat is false": ("OIDC-12", with_claims(iat=False), OidcMalformed),
    "iat ahead": ("OIDC-12", with_claims(iat=MOMENT + 181), OidcExpired),
    "iat long ago": ("OIDC-12", with_claims(iat=MOMENT - 781), OidcExpired),
    "nbf ahead": ("OIDC-12", with_claims(nbf=MOMENT + 181), OidcExpired),
    "nbf is text": ("OIDC-12", with_claims(nbf="0"), OidcMalformed),
    # which attempt
    "no nonce": ("OIDC-03", with_claims(nonce=ABSENT), OidcWrongNonce),
    "another nonce": ("OIDC-03", with_claims(nonce="another"), OidcWrongNonce),
    "empty nonce": ("OIDC-03", with_claims(nonce=""), OidcWrongNonce),
    "nonce in a list": ("OIDC-03", with_claims(nonce=["nonce-of-this-attempt"]), OidcWrongNonce),
    # which access token
    "at_hash of another token": ("OIDC-15", with_claims(at_hash=at_hash("sha256", "other")), OidcMalformed),
    "at_hash by another digest": ("OIDC-15", with_claims(at_hash=at_hash("sha512")), OidcMalformed),
    "at_hash is null": ("OIDC-15", with_claims(at_hash=None), OidcMalformed),
    "auth_time is text": ("OIDC-20", with_claims(auth_time="now"), OidcMalformed),
}


@pytest.mark.requirement("TST-06")
@pytest.mark.parametrize(
    ("token", "failure"),
    [
        pytest.param(token, failure, id=name, marks=pytest.mark.requirement(requirement))
        for name, (requirement, token, failure) in REFUSED.items()
    ],
)
def test_token_is_refused_for_its_own_reason(token: Token, failure: type[SignInFailure]) -> None:
    with pytest.raises(failure) as caught:
        check(token)
    assert type(caught.value) is failure


ENTRA = {"tenant_id": "6babcaad-604b-40ac-a9d7-9fd97c0b779f"}
GOOGLE = {"hosted_domains": frozenset({"example.test", "example.org"})}
SHAPED: dict[str, tuple[dict[str, object], dict[str, object], type[SignInFailure]]] = {
    "no tid": (ENTRA, {}, OidcWrongTenant),
    "tid of another tenant": (ENTRA, {"tid": "11111111-604b-40ac-a9d7-9fd97c0b779f"}, OidcWrongTenant),
    "tid in a list": (ENTRA, {"tid": [ENTRA["tenant_id"]]}, OidcWrongTenant),
    "no hd": (GOOGLE, {"email_verified": True}, OidcWrongTenant),
    "hd of another company": (GOOGLE, {"hd": "evil.test", "email_verified": True}, OidcWrongTenant),
    "hd is a subdomain": (GOOGLE, {"hd": "sub.example.test", "email_verified": True}, OidcWrongTenant),
    "hd in a list": (GOOGLE, {"hd": ["example.test"], "email_verified": True}, OidcWrongTenant),
    "no email_verified": (GOOGLE, {"hd": "example.test"}, EmailNotVerified),
    "email_verified is text": (GOOGLE, {"hd": "example.test", "email_verified": "true"}, EmailNotVerified),
    "email_verified is 1": (GOOGLE, {"hd": "example.test", "email_verified": 1}, EmailNotVerified),
    "email_verified is false": (GOOGLE, {"hd": "example.test", "email_verified": False}, EmailNotVerified),
    "no domain is verified": (
        {"hosted_domains": frozenset()},
        {"hd": "example.test", "email_verified": True},
        OidcWrongTenant,
    ),
    "max_age without auth_time": ({"max_age_seconds": 60}, {}, OidcWrongAuthnContext),
    "auth_time too old": ({"max_age_seconds": 60}, {"auth_time": MOMENT - 241}, OidcWrongAuthnContext),
    "auth_time ahead": ({"max_age_seconds": 60}, {"auth_time": MOMENT + 181}, OidcWrongAuthnContext),
    "no acr": ({"acr_values": frozenset({"mfa"})}, {}, OidcWrongAuthnContext),
    "weaker acr": ({"acr_values": frozenset({"mfa"})}, {"acr": "pwd"}, OidcWrongAuthnContext),
    "a second audience without azp": (
        {"other_audiences": frozenset({"client-2"})},
        {"aud": ["client-1", "client-2"]},
        OidcWrongAudience,
    ),
    "only the other audience": (
        {"other_audiences": frozenset({"client-2"})},
        {"aud": ["client-2"], "azp": "client-1"},
        OidcWrongAudience,
    ),
    "an algorithm that this connection did not fix": ({"algorithms": ("ES256",)}, {}, OidcAlgorithmRefused),
    "an attempt without a nonce": ({"nonce": ""}, {"nonce": ""}, OidcWrongNonce),
}


@pytest.mark.requirement("OIDC-11", "OIDC-18", "OIDC-19", "OIDC-20")
@pytest.mark.parametrize("name", SHAPED)
def test_token_is_refused_by_what_the_connection_demands(name: str) -> None:
    changes, claims, failure = SHAPED[name]
    with pytest.raises(failure):
        check(with_claims(**claims), **changes)


ACCEPTED: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "as it is": ({}, {}),
    "exp just inside the allowance": ({}, {"exp": MOMENT - 179}),
    "iat at the edge ahead": ({}, {"iat": MOMENT + 180}),
    "iat at the edge behind": ({}, {"iat": MOMENT - 780}),
    "nbf at the edge": ({}, {"nbf": MOMENT + 180}),
    "times with fractions": ({}, {"exp": MOMENT + 0.5, "iat": MOMENT - 0.25}),
    "one audience in a list": ({}, {"aud": ["client-1"]}),
    "azp of ours": ({}, {"azp": "client-1"}),
    "a known second audience": (
        {"other_audiences": frozenset({"client-2"})},
        {"aud": ["client-1", "client-2"], "azp": "client-1"},
    ),
    "no at_hash": ({}, {"at_hash": ABSENT}),
    "auth_time at the edge": ({"max_age_seconds": 60}, {"auth_time": MOMENT - 240}),
    "acr as asked": ({"acr_values": frozenset({"mfa"})}, {"acr": "mfa"}),
    "the tenant": (ENTRA, {"tid": ENTRA["tenant_id"]}),
    "a hosted domain": (GOOGLE, {"hd": "Example.ORG", "email_verified": True}),
    "a tid that no rule asks about": ({}, {"tid": "11111111-604b-40ac-a9d7-9fd97c0b779f"}),
    "a hd that no rule asks about": ({}, {"hd": "evil.test", "email_verified": False}),
    "an old auth_time that no rule asks about": ({}, {"auth_time": 1, "acr": "0"}),
    "sub of 255 characters": ({}, {"sub": "a" * 255}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_token_is_accepted(name: str) -> None:
    changes, claims = ACCEPTED[name]
    assert check(with_claims(**claims), **changes).issuer == ISSUER


def test_claims_tell_subject_time_and_values() -> None:
    claims = check(with_claims(auth_time=MOMENT - 1.5))
    assert (claims.subject, claims.auth_time) == ("ann", MOMENT - 1.5)
    assert claims.values["email"] == "ann@example.test"


@pytest.mark.parametrize("header", [{"typ": ABSENT}, {"typ": "jwt"}, {"typ": "application/JWT"}, {"x5t": "abc"}])
def test_harmless_header_is_accepted(header: dict[str, object]) -> None:
    assert check(Token(header=header)).subject == "ann"


ALGORITHMS = [
    *((name, rsa_key, "sha" + name[2:]) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    ("ES256", lambda: ec_key("P-256"), "sha256"),
    ("ES384", lambda: ec_key("P-384"), "sha384"),
    ("ES512", lambda: ec_key("P-521"), "sha512"),
    ("EdDSA", ed_key, "sha512"),
]


@pytest.mark.requirement("OIDC-07", "OIDC-15")
@pytest.mark.parametrize(("algorithm", "key", "digest"), ALGORITHMS, ids=[case[0] for case in ALGORITHMS])
def test_every_allowed_algorithm_verifies_with_its_own_at_hash(algorithm: str, key: object, digest: str) -> None:
    signer = key()
    token = Token(algorithm=algorithm, key=signer, claims={"at_hash": at_hash(digest)})
    assert check(token, keys=key_set(jwk(signer, kid="current"))).subject == "ann"


@pytest.mark.requirement("OIDC-08", "TST-06")
def test_missing_kid_is_tolerated_with_one_fitting_key() -> None:
    keys = key_set(jwk(rsa_key(), kid="current"), jwk(ec_key(), kid="other kind"))
    assert check(with_header(kid=ABSENT), keys=keys).subject == "ann"


@pytest.mark.requirement("OIDC-08", "TST-06")
def test_missing_kid_is_refused_with_several_fitting_keys() -> None:
    keys = key_set(jwk(rsa_key(), kid="current"), jwk(rsa_key("other"), kid="next"))
    with pytest.raises(OidcKeyUnknown):
        check(with_header(kid=ABSENT), keys=keys)


@pytest.mark.requirement("OIDC-08")
def test_two_keys_with_one_kid_are_not_chosen_between() -> None:
    keys = key_set(jwk(rsa_key(), kid="current"), jwk(rsa_key("other"), kid="current"))
    with pytest.raises(OidcKeyUnknown):
        check(Token(), keys=keys)


@pytest.mark.requirement("OIDC-09", "TST-06")
def test_withdrawn_key_stops_working_and_the_new_one_works() -> None:
    rotated = key_set(jwk(rsa_key("other"), kid="next"))
    with pytest.raises(OidcKeyUnknown):
        check(Token(), keys=rotated)
    assert check(Token(header={"kid": "next"}, key=rsa_key("other")), keys=rotated).subject == "ann"


@pytest.mark.requirement("OIDC-12")
@pytest.mark.parametrize(("later", "accepted"), [(479, True), (480, False), (481, False)])
def test_token_expires_at_exp_plus_the_allowance(later: int, accepted: bool) -> None:
    moment = NOW + timedelta(seconds=later)
    with nullcontext() if accepted else pytest.raises(OidcExpired):
        check_id_token(Token().make(), key_set(), rules=rules(), access_token=ACCESS_TOKEN, now=moment)


@pytest.mark.requirement("OIDC-13")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a signed token"),
        ("a.b", "not a signed token"),
        ("a.b.c.d", "not a signed token"),
        ("a.b.c.d.e", "encrypted"),
        ("..", "base64url"),
    ],
)
def test_other_shapes_are_refused(text: str, problem: str) -> None:
    with pytest.raises(OidcMalformed) as caught:
        check(text)
    assert problem in caught.value.facts["problem"]


@pytest.mark.requirement("OIDC-13")
@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("spoil", [lambda p: p + "=", lambda p: p + " ", lambda p: "\n" + p, lambda p: p[:-1] + "/"])
def test_base64url_is_strict_in_every_part(part: int, spoil: object) -> None:
    parts = Token().make().split(".")
    parts[part] = spoil(parts[part])
    with pytest.raises(OidcMalformed):
        check(".".join(parts))


@pytest.mark.requirement("OIDC-13")
def test_spare_bits_in_the_signature_are_refused() -> None:
    token = Token().make()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 256 bytes leave four spare bits in the last letter.
    with pytest.raises(OidcMalformed):
        check(token[:-1] + alphabet[alphabet.index(token[-1]) + 1])


@pytest.mark.requirement("OIDC-13")
def test_size_is_judged_before_the_signature() -> None:
    with pytest.raises(OidcMalformed) as caught:
        check(Token(claims={"groups": ["x" * 100] * 200}, key=rsa_key("other")))
    assert caught.value.facts["problem"] == "token too large"


def test_token_of_the_largest_size_is_read() -> None:
    sizes = (Token(claims={"pad": "x" * n}).make() for n in range(11_300, 11_800))
    assert check(next(token for token in sizes if len(token) == 16 * 1024)).subject == "ann"


@pytest.mark.requirement("OIDC-13")
def test_signature_is_judged_before_any_claim() -> None:
    with pytest.raises(OidcSignatureInvalid):
        check(Token(claims={"iss": "https://evil.test", "exp": 0}, key=rsa_key("other")))


@pytest.mark.requirement("OIDC-07")
def test_der_signature_instead_of_the_raw_pair_is_refused() -> None:
    keys = key_set(jwk(ec_key(), kid="current"))
    signed = Token(algorithm="ES256", key=ec_key()).make().rpartition(".")[0]
    der = ec_key().sign(signed.encode(), ec.ECDSA(SHA256()))
    with pytest.raises(OidcSignatureInvalid):
        check(f"{signed}.{b64(der)}", keys=keys)


@pytest.mark.requirement("OIDC-07")
def test_zero_ecdsa_signature_is_refused() -> None:
    keys = key_set(jwk(ec_key(), kid="current"))
    signed = Token(algorithm="ES256", key=ec_key()).make().rpartition(".")[0]
    with pytest.raises(OidcSignatureInvalid):
        check(f"{signed}.{b64(bytes(64))}", keys=keys)


def test_builder_signs_what_it_says() -> None:
    header, payload, signature = Token().make().split(".")
    assert b64(sign("RS256", rsa_key(), f"{header}.{payload}".encode())) == signature
    assert math.isclose(NOW.timestamp(), MOMENT)
