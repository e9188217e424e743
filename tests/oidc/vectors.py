"""Hostile ID tokens by name, each with the code with which it must be refused; and odd ones that are good (TST-06)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from oidc.provider import (
    ABSENT,
    ISSUER,
    MOMENT,
    Token,
    at_hash,
    b64,
    ec_key,
    ed_key,
    good_claims,
    jwk,
    jwks,
    rsa_key,
)


@dataclass(frozen=True)
class TokenVector:
    """A token made by a recipe and `spoilt` on the way; the issuer publishes `published`, usually its one key.

    `code` is that of the failure, empty where the token must be accepted. `rules` is what the connection demands other
    than usual; with such a vector the product alone can be asked, since no library knows that demand.
    """

    name: str
    code: str
    proves: tuple[str, ...] = ()
    token: Token = field(default_factory=Token)
    spoilt: Callable[[str], str] = field(default=lambda token: token)
    published: Sequence[Mapping[str, object]] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)

    def make(self, **usual: object) -> str:
        """The compact token, with other `usual` claims where the attempt has its own."""
        return self.spoilt(self.token.make(**usual))

    def keys(self) -> bytes:
        """The JWKS of the issuer."""
        return jwks(*self.published)


def _claims(**claims: object) -> Token:
    return Token(claims=claims)


def _header(**header: object) -> Token:
    return Token(header=header)


def _raw_claims(text: str) -> Token:
    """A good token, written with `text` as its last members."""
    return Token(raw_claims=(json.dumps(good_claims())[:-1] + ", " + text + "}").encode())


def _public_pem() -> bytes:
    return rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


_REFUSED: dict[str, tuple[str, Token, str]] = {
    # the algorithm, fixed before the header is read
    "none": ("OIDC-07", Token(algorithm="none"), "oidc_algorithm_refused"),
    "None in other case": ("OIDC-07", _header(alg="nOnE"), "oidc_algorithm_refused"),
    "no alg": ("OIDC-07", _header(alg=ABSENT), "oidc_algorithm_refused"),
    "alg is a list": ("OIDC-07", _header(alg=["RS256"]), "oidc_algorithm_refused"),
    "HS256 with the public key": ("OIDC-07", Token(algorithm="HS256", key=_public_pem()), "oidc_algorithm_refused"),
    "HS512 with the client's secret": ("OIDC-07", Token(algorithm="HS512", key=b"secret"), "oidc_algorithm_refused"),
    "secp256k1": ("OIDC-07", _header(alg="ES256K"), "oidc_algorithm_refused"),
    # the signature
    "signed by another key": ("OIDC-07", Token(key=rsa_key("other")), "oidc_signature_invalid"),
    "RS256 said, PS256 signed": (
        "OIDC-07",
        Token(algorithm="PS256", header={"alg": "RS256"}),
        "oidc_signature_invalid",
    ),
    "RS256 said, RS384 signed": (
        "OIDC-07",
        Token(algorithm="RS384", header={"alg": "RS256"}),
        "oidc_signature_invalid",
    ),
    "an EC algorithm for an RSA key": ("OIDC-08", Token(algorithm="ES256", key=ec_key()), "oidc_algorithm_refused"),
    # keys that the token brings along
    "embedded jwk": (
        "OIDC-08",
        Token(header={"jwk": jwk(rsa_key("other"))}, key=rsa_key("other")),
        "oidc_signature_invalid",
    ),
    "jku of another server": (
        "OIDC-08",
        Token(header={"jku": "https://evil.test/keys", "kid": "evil"}, key=rsa_key("other")),
        "oidc_key_unknown",
    ),
    "x5u of another server": (
        "OIDC-08",
        Token(header={"x5u": "https://evil.test/chain"}, key=rsa_key("other")),
        "oidc_signature_invalid",
    ),
    "x5t of another certificate": (
        "OIDC-08",
        Token(header={"x5t#S256": "AAAA"}, key=rsa_key("other")),
        "oidc_signature_invalid",
    ),
    "embedded x5c": ("OIDC-08", Token(header={"x5c": ["AAAA"]}, key=rsa_key("other")), "oidc_signature_invalid"),
    "unknown kid": ("OIDC-09", _header(kid="rotated"), "oidc_key_unknown"),
    "kid in other case": ("OIDC-08", _header(kid="CURRENT"), "oidc_key_unknown"),
    "kid is a number": ("OIDC-08", _header(kid=1), "oidc_malformed"),
    "empty kid": ("OIDC-08", _header(kid=""), "oidc_key_unknown"),
    # the header
    "crit that nobody knows": ("OIDC-13", _header(crit=["exp"]), "oidc_malformed"),
    "crit with b64": ("OIDC-13", _header(crit=["b64"], b64=False), "oidc_malformed"),
    "b64 without crit": ("OIDC-13", _header(b64=False), "oidc_malformed"),
    "an access token": ("OIDC-13", _header(typ="at+jwt"), "oidc_malformed"),
    "a logout token": ("OIDC-13", _header(typ="logout+jwt"), "oidc_malformed"),
    "typ is a number": ("OIDC-13", _header(typ=1), "oidc_malformed"),
    "nested token": ("OIDC-13", _header(cty="JWT"), "oidc_malformed"),
    "header of an encrypted token": ("OIDC-13", _header(enc="A256GCM"), "oidc_malformed"),
    "compressed": ("OIDC-13", _header(zip="DEF"), "oidc_malformed"),
    "header with alg twice": (
        "OIDC-13",
        Token(raw_header=b'{"alg":"none","kid":"current","alg":"RS256"}'),
        "oidc_malformed",
    ),
    "header is a list": ("OIDC-13", Token(raw_header=b'["RS256"]'), "oidc_malformed"),
    "header is not JSON": ("OIDC-13", Token(raw_header=b"RS256"), "oidc_malformed"),
    # the payload as text
    "sub twice": ("OIDC-13", _raw_claims('"sub": "bob"'), "oidc_malformed"),
    "a member twice deep inside": ("OIDC-13", _raw_claims('"address": {"a": [{"b": 1, "b": 2}]}'), "oidc_malformed"),
    "NaN": ("OIDC-12", _raw_claims('"nbf": NaN'), "oidc_malformed"),
    "not UTF-8": ("OIDC-13", Token(raw_claims=b'{"sub": "\xff"}'), "oidc_malformed"),
    "half a character": ("OIDC-13", _raw_claims(r'"name": "\ud800"'), "oidc_malformed"),
    "NUL in text": ("OIDC-13", _raw_claims(r'"name": "a\u0000b"'), "oidc_malformed"),
    "very deep": ("OIDC-13", _raw_claims('"x": ' + "[" * 5000 + "]" * 5000), "oidc_malformed"),
    "very long number": ("OIDC-13", _raw_claims('"nbf": ' + "9" * 5000), "oidc_malformed"),
    "payload is a string": ("OIDC-13", Token(raw_claims=b'"ann"'), "oidc_malformed"),
    "oversized": ("OIDC-13", _claims(groups=["x" * 100] * 200), "oidc_malformed"),
    # who says it
    "no iss": ("OIDC-10", _claims(iss=ABSENT), "oidc_wrong_issuer"),
    "another iss": ("OIDC-10", _claims(iss="https://evil.test"), "oidc_wrong_issuer"),
    "iss with a slash": ("OIDC-10", _claims(iss=ISSUER + "/"), "oidc_wrong_issuer"),
    "iss as a prefix": ("OIDC-10", _claims(iss=ISSUER + ".evil.test"), "oidc_wrong_issuer"),
    "iss in upper case": ("OIDC-10", _claims(iss=ISSUER.upper()), "oidc_wrong_issuer"),
    "iss in a list": ("OIDC-10", _claims(iss=[ISSUER]), "oidc_wrong_issuer"),
    # to whom
    "no aud": ("OIDC-11", _claims(aud=ABSENT), "oidc_wrong_audience"),
    "empty aud": ("OIDC-11", _claims(aud=[]), "oidc_wrong_audience"),
    "another aud": ("OIDC-11", _claims(aud="client-2"), "oidc_wrong_audience"),
    "aud that contains ours": ("OIDC-11", _claims(aud="client-11"), "oidc_wrong_audience"),
    "aud is an object": ("OIDC-11", _claims(aud={"client-1": 1}), "oidc_wrong_audience"),
    "aud with a number": ("OIDC-11", _claims(aud=["client-1", 1]), "oidc_wrong_audience"),
    "an unknown audience beside us": (
        "OIDC-11",
        _claims(aud=["client-1", "client-2"], azp="client-1"),
        "oidc_wrong_audience",
    ),
    "azp of another client": ("OIDC-11", _claims(azp="client-2"), "oidc_wrong_audience"),
    "azp is a list": ("OIDC-11", _claims(azp=["client-1"]), "oidc_wrong_audience"),
    # about whom
    "no sub": ("OIDC-12", _claims(sub=ABSENT), "oidc_malformed"),
    "empty sub": ("OIDC-12", _claims(sub=""), "oidc_malformed"),
    "sub is a number": ("OIDC-12", _claims(sub=7), "oidc_malformed"),
    "sub is null": ("OIDC-12", _claims(sub=None), "oidc_malformed"),
    "sub too long": ("OIDC-12", _claims(sub="a" * 256), "oidc_malformed"),
    "sub with a line break": ("OIDC-12", _claims(sub="ann\n"), "oidc_malformed"),
    "sub in other letters": ("OIDC-12", _claims(sub="аnn"), "oidc_malformed"),
    # when
    "no exp": ("OIDC-12", _claims(exp=ABSENT), "oidc_malformed"),
    "exp is text": ("OIDC-12", _claims(exp=str(MOMENT + 300)), "oidc_malformed"),
    "exp is true": ("OIDC-12", _claims(exp=True), "oidc_malformed"),
    "exp is null": ("OIDC-12", _claims(exp=None), "oidc_malformed"),
    "exp in the year 10000": ("OIDC-12", _claims(exp=253402300800), "oidc_malformed"),
    "exp is infinite": ("OIDC-12", _raw_claims('"nbf": 1e999'), "oidc_malformed"),
    "exp is negative": ("OIDC-12", _claims(exp=-1), "oidc_malformed"),
    "expired": ("OIDC-12", _claims(exp=MOMENT - 180), "oidc_expired"),
    "no iat": ("OIDC-12", _claims(iat=ABSENT), "oidc_malformed"),
    "iat is text": ("OIDC-12", _claims(iat=str(MOMENT)), "oidc_malformed"),
    "iat is false": ("OIDC-12", _claims(iat=False), "oidc_malformed"),
    "iat ahead": ("OIDC-12", _claims(iat=MOMENT + 181), "oidc_expired"),
    "iat long ago": ("OIDC-12", _claims(iat=MOMENT - 781), "oidc_expired"),
    "nbf ahead": ("OIDC-12", _claims(nbf=MOMENT + 181), "oidc_expired"),
    "nbf is text": ("OIDC-12", _claims(nbf="0"), "oidc_malformed"),
    # which attempt
    "no nonce": ("OIDC-03", _claims(nonce=ABSENT), "oidc_wrong_nonce"),
    "another nonce": ("OIDC-03", _claims(nonce="another"), "oidc_wrong_nonce"),
    "empty nonce": ("OIDC-03", _claims(nonce=""), "oidc_wrong_nonce"),
    "nonce in a list": ("OIDC-03", _claims(nonce=["nonce-of-this-attempt"]), "oidc_wrong_nonce"),
    # which access token
    "at_hash of another token": ("OIDC-15", _claims(at_hash=at_hash("sha256", "other")), "oidc_malformed"),
    "at_hash by another digest": ("OIDC-15", _claims(at_hash=at_hash("sha512")), "oidc_malformed"),
    "at_hash is null": ("OIDC-15", _claims(at_hash=None), "oidc_malformed"),
    "auth_time is text": ("OIDC-20", _claims(auth_time="now"), "oidc_malformed"),
}

ENTRA = {"tenant_id": "6babcaad-604b-40ac-a9d7-9fd97c0b779f"}
GOOGLE = {"hosted_domains": frozenset({"example.test", "example.org"})}
_DEMANDED: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "no tid": (ENTRA, {}, "oidc_wrong_tenant"),
    "tid of another tenant": (ENTRA, {"tid": "11111111-604b-40ac-a9d7-9fd97c0b779f"}, "oidc_wrong_tenant"),
    "tid in a list": (ENTRA, {"tid": [ENTRA["tenant_id"]]}, "oidc_wrong_tenant"),
    "no hd": (GOOGLE, {"email_verified": True}, "oidc_wrong_tenant"),
    "hd of another company": (GOOGLE, {"hd": "evil.test", "email_verified": True}, "oidc_wrong_tenant"),
    "hd is a subdomain": (GOOGLE, {"hd": "sub.example.test", "email_verified": True}, "oidc_wrong_tenant"),
    "hd in a list": (GOOGLE, {"hd": ["example.test"], "email_verified": True}, "oidc_wrong_tenant"),
    "no email_verified": (GOOGLE, {"hd": "example.test"}, "email_not_verified"),
    "email_verified is text": (GOOGLE, {"hd": "example.test", "email_verified": "true"}, "email_not_verified"),
    "email_verified is 1": (GOOGLE, {"hd": "example.test", "email_verified": 1}, "email_not_verified"),
    "email_verified is false": (GOOGLE, {"hd": "example.test", "email_verified": False}, "email_not_verified"),
    "no domain is verified": (
        {"hosted_domains": frozenset()},
        {"hd": "example.test", "email_verified": True},
        "oidc_wrong_tenant",
    ),
    "max_age without auth_time": ({"max_age_seconds": 60}, {}, "oidc_wrong_authn_context"),
    "auth_time too old": ({"max_age_seconds": 60}, {"auth_time": MOMENT - 241}, "oidc_wrong_authn_context"),
    "auth_time ahead": ({"max_age_seconds": 60}, {"auth_time": MOMENT + 181}, "oidc_wrong_authn_context"),
    "no acr": ({"acr_values": frozenset({"mfa"})}, {}, "oidc_wrong_authn_context"),
    "weaker acr": ({"acr_values": frozenset({"mfa"})}, {"acr": "pwd"}, "oidc_wrong_authn_context"),
    "a second audience without azp": (
        {"other_audiences": frozenset({"client-2"})},
        {"aud": ["client-1", "client-2"]},
        "oidc_wrong_audience",
    ),
    "only the other audience": (
        {"other_audiences": frozenset({"client-2"})},
        {"aud": ["client-2"], "azp": "client-1"},
        "oidc_wrong_audience",
    ),
    "an algorithm that this connection did not fix": ({"algorithms": ("ES256",)}, {}, "oidc_algorithm_refused"),
    "an attempt without a nonce": ({"nonce": ""}, {"nonce": ""}, "oidc_wrong_nonce"),
}


# --- Spoilt on the way, and hostile key sets ---------------------------------------------------------------------


def _part(index: int, spoil: Callable[[str], str]) -> Callable[[str], str]:
    def spoilt(token: str) -> str:
        parts = token.split(".")
        parts[index] = spoil(parts[index])
        return ".".join(parts)

    return spoilt


def _spare_bits(part: str) -> str:
    """Another last letter for the same octets: 256 octets leave four spare bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def _json_form(token: str) -> str:
    """The flattened JSON serialization of RFC 7515 §7.2.2."""
    header, payload, signature = token.split(".")
    return json.dumps({"protected": header, "payload": payload, "signature": signature})


def _swapped_payload(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{Token(claims={'sub': 'owner'}).make().split('.')[1]}.{signature}"


def _der_signature(token: str) -> str:
    signed = token.rpartition(".")[0]
    return f"{signed}.{b64(ec_key().sign(signed.encode(), ec.ECDSA(SHA256())))}"


_SPOILT: dict[str, tuple[str, Callable[[str], str]]] = {
    "nothing at all": ("oidc_malformed", lambda token: ""),
    "one part": ("oidc_malformed", lambda token: token.split(".")[1]),
    "two parts": ("oidc_malformed", lambda token: token.rpartition(".")[0]),
    "four parts": ("oidc_malformed", lambda token: token + ".x"),
    "five parts, as if encrypted": ("oidc_malformed", lambda token: token + ".x.y"),
    "dots alone": ("oidc_malformed", lambda token: ".."),
    "JSON serialization": ("oidc_malformed", _json_form),
    "detached payload": ("oidc_malformed", _part(1, lambda part: "")),
    "no signature": ("oidc_malformed", _part(2, lambda part: "")),
    "half a signature": ("oidc_signature_invalid", _part(2, lambda part: part[:168])),
    "signature of zeros": ("oidc_signature_invalid", _part(2, lambda part: b64(bytes(256)))),
    "longer signature": ("oidc_signature_invalid", _part(2, lambda part: part + "AAAA")),
    "payload of another token": ("oidc_signature_invalid", _swapped_payload),
    "padding in the header": ("oidc_malformed", _part(0, lambda part: part + "=")),
    "padding in the payload": ("oidc_malformed", _part(1, lambda part: part + "=")),
    "padding in the signature": ("oidc_malformed", _part(2, lambda part: part + "==")),
    "space in the header": ("oidc_malformed", _part(0, lambda part: part + " ")),
    "space in the payload": ("oidc_malformed", _part(1, lambda part: " " + part)),
    "line break before the token": ("oidc_malformed", lambda token: "\n" + token),
    "plain base64 in the signature": ("oidc_malformed", _part(2, lambda part: part[:-2] + "+/")),
    "letter that is not ASCII": ("oidc_malformed", _part(2, lambda part: part + "é")),
    "spare bits in the signature": ("oidc_malformed", _part(2, _spare_bits)),
}

_CURRENT = jwk(rsa_key(), kid="current")
_KEY_SETS: dict[str, tuple[str, Token, Sequence[Mapping[str, object]]]] = {
    "no kid, two keys fit": (
        "oidc_key_unknown", _header(kid=ABSENT), [_CURRENT, jwk(rsa_key("other"), kid="next")],
    ),
    "two keys with one kid": ("oidc_key_unknown", Token(), [_CURRENT, jwk(rsa_key("other"), kid="current")]),
    "key withdrawn": ("oidc_key_unknown", Token(), [jwk(rsa_key("other"), kid="next")]),
    "key of another kind under this kid": ("oidc_algorithm_refused", Token(), [jwk(ec_key(), kid="current")]),
    "key for encryption": ("oidc_discovery_invalid", Token(), [{**_CURRENT, "use": "enc"}]),
    "key that may not verify": ("oidc_discovery_invalid", Token(), [{**_CURRENT, "key_ops": ["encrypt"]}]),
    "key with its private half": ("oidc_discovery_invalid", Token(), [{**_CURRENT, "d": "AQAB"}]),
    "key of 1024 bits": (
        "oidc_discovery_invalid", Token(key=rsa_key("small", bits=1024)),
        [jwk(rsa_key("small", bits=1024), kid="current")],
    ),
    "key with exponent 1": ("oidc_discovery_invalid", Token(), [{**_CURRENT, "e": "AQ"}]),
    "symmetric key": (
        "oidc_discovery_invalid", Token(algorithm="HS256", key=b"s3cret" * 6),
        [{"kty": "oct", "k": b64(b"s3cret" * 6), "kid": "current"}],
    ),
    "key bound to another algorithm": ("oidc_algorithm_refused", Token(), [{**_CURRENT, "alg": "PS256"}]),
    "key on secp256k1": (
        "oidc_discovery_invalid", Token(algorithm="ES256", key=ec_key("K-256")), [jwk(ec_key("K-256"), kid="current")],
    ),
}  # fmt: skip

# --- What only looks odd -----------------------------------------------------------------------------------------

_ACCEPTED: dict[str, Token] = {
    "as it is": Token(),
    "exp just inside the allowance": _claims(exp=MOMENT - 179),
    "iat at the edge ahead": _claims(iat=MOMENT + 180),
    "iat at the edge behind": _claims(iat=MOMENT - 780),
    "nbf at the edge": _claims(nbf=MOMENT + 180),
    "times with fractions": _claims(exp=MOMENT + 0.5, iat=MOMENT - 0.25),
    "one audience in a list": _claims(aud=["client-1"]),
    "azp of ours": _claims(azp="client-1"),
    "no at_hash": _claims(at_hash=ABSENT),
    "a tid that no rule asks about": _claims(tid="11111111-604b-40ac-a9d7-9fd97c0b779f"),
    "a hd that no rule asks about": _claims(hd="evil.test"),
    "an old auth_time that no rule asks about": _claims(auth_time=1, acr="0"),
    "sub of 255 characters": _claims(sub="a" * 255),
    "no typ": _header(typ=ABSENT),
    "typ in lower case": _header(typ="jwt"),
    "typ with its prefix": _header(typ="application/JWT"),
    "x5t": _header(x5t="abc"),
}
_ALGORITHMS = [
    *((name, rsa_key(), "sha" + name[2:]) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    ("ES256", ec_key("P-256"), "sha256"),
    ("ES384", ec_key("P-384"), "sha384"),
    ("ES512", ec_key("P-521"), "sha512"),
    ("EdDSA", ed_key(), "sha512"),
]

HOSTILE = [
    *(TokenVector(name, code, ("TST-06", proves), token) for name, (proves, token, code) in _REFUSED.items()),
    *(
        TokenVector(
            name, code, ("TST-06", "OIDC-11", "OIDC-18", "OIDC-19", "OIDC-20"), Token(claims=claims), rules=rules
        )
        for name, (rules, claims, code) in _DEMANDED.items()
    ),
    *(
        TokenVector(name, code, ("TST-06", "OIDC-07", "OIDC-13"), spoilt=spoilt)
        for name, (code, spoilt) in _SPOILT.items()
    ),
    *(
        TokenVector(name, code, ("TST-06", "OIDC-08", "OIDC-09"), token, published=published)
        for name, (code, token, published) in _KEY_SETS.items()
    ),
    *(
        TokenVector(
            name, "oidc_signature_invalid", ("TST-06", "OIDC-07"), Token(algorithm="ES256", key=ec_key()),
            spoilt, [jwk(ec_key(), kid="current")],
        )
        for name, spoilt in {
            "DER instead of the raw pair": _der_signature,
            "elliptic signature of zeros": _part(2, lambda part: b64(bytes(64))),
        }.items()
    ),
]  # fmt: skip

HARMLESS = [
    *(TokenVector(name, "", token=token) for name, token in _ACCEPTED.items()),
    *(
        TokenVector(
            f"{algorithm} with its own at_hash", "", ("OIDC-07", "OIDC-15"),
            Token(algorithm=algorithm, key=key, claims={"at_hash": at_hash(digest)}),
            published=[jwk(key, kid="current")],
        )
        for algorithm, key, digest in _ALGORITHMS
    ),
    TokenVector(
        "no kid, one key fits", "", ("OIDC-08",), _header(kid=ABSENT),
        published=[_CURRENT, jwk(ec_key(), kid="other kind")],
    ),
    TokenVector(
        "new key after a roll-over", "", ("OIDC-09",), Token(header={"kid": "next"}, key=rsa_key("other")),
        published=[_CURRENT, jwk(rsa_key("other"), kid="next")],
    ),
]  # fmt: skip

VECTORS = [*HOSTILE, *HARMLESS]
