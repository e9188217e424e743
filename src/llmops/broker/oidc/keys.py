"""The keys that an issuer publishes: which of them may verify, and the one that a token names."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from llmops.broker.oidc.wire import BadJson, Fetch, base64url, call, is_json, json_object
from llmops.errors import OidcAlgorithmRefused, OidcDiscoveryInvalid, OidcKeyUnknown

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Every signature algorithm we accept: asymmetric, SHA-2 (Source: RFC 8725 §3.2; OIDC-07)."""

KEY_COUNT_LIMIT = 100
RSA_BITS = range(2048, 8192 + 1)
RSA_EXPONENT_LIMIT = 2**32
_RSA = frozenset(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


@dataclass(frozen=True)
class VerificationKey:
    """One public key and the algorithms that it may verify; `members` is its minimal JWK."""

    kid: str | None
    algorithms: frozenset[str]
    members: Mapping[str, str]
    key: RSAKey | ECKey | OKPKey


@dataclass(frozen=True)
class KeySet:
    """The usable keys of one issuer, in the order in which it publishes them."""

    keys: tuple[VerificationKey, ...]

    def to_dict(self) -> dict[str, object]:
        """A JWKS of the usable keys only, to be stored and read again."""
        return {"keys": [dict(key.members) for key in self.keys]}


def fetch(jwks_uri: str, fetcher: Fetch) -> KeySet:
    """Get the keys from the connection's stored address; no redirect is followed.

    Raises: IdpUnavailable, OidcMalformed, OidcDiscoveryInvalid.
    """
    answer = call(fetcher, "GET", jwks_uri, headers={"Accept": "application/json, application/jwk-set+json"})
    if answer.status != 200 or not is_json(answer):
        raise OidcDiscoveryInvalid(
            problem="no keys at this address",
            url=jwks_uri,
            status=answer.status,
            content_type=answer.content_type,
        )
    return read(answer.body)


def read(body: bytes) -> KeySet:
    """Read a JWKS; keys that cannot verify an ID token are left out, and none left is a failure.

    Raises: OidcDiscoveryInvalid.
    Source: RFC 7517 §4, 5 (a reader ignores keys that it does not understand).
    """
    try:
        published = json_object(body).get("keys")
    except BadJson as error:
        raise OidcDiscoveryInvalid(problem=f"keys: {error}") from error
    if not isinstance(published, list) or len(published) > KEY_COUNT_LIMIT:
        raise OidcDiscoveryInvalid(problem="keys: not a list of keys of reasonable length")
    usable = tuple(key for jwk in published if isinstance(jwk, dict) and (key := _usable(jwk)) is not None)
    if not usable:
        raise OidcDiscoveryInvalid(problem="keys: none of them can verify a signature", published=len(published))
    return KeySet(usable)


def find(keys: KeySet, *, kid: str | None, algorithm: str) -> VerificationKey:
    """The one key for a token's header. Without a `kid` exactly one key must fit the algorithm.

    Raises: OidcKeyUnknown, OidcAlgorithmRefused (the named key is not for this algorithm).
    Source: OIDC Core §10.1, RFC 8725 §3.10; OIDC-08.
    """
    named = [key for key in keys.keys if kid is None or key.kid == kid]
    fitting = [key for key in named if algorithm in key.algorithms]
    if len(fitting) == 1:
        return fitting[0]
    if named and not fitting and kid is not None:
        raise OidcAlgorithmRefused(seen=algorithm, expected=" ".join(sorted(named[0].algorithms)), kid=kid)
    raise OidcKeyUnknown(
        kid=kid, alg=algorithm, fitting=len(fitting), published=" ".join(str(key.kid) for key in keys.keys)
    )


def _usable(jwk: Mapping[str, object]) -> VerificationKey | None:
    """The key, if it is public, for signatures, of a known type and strong enough."""
    kid, use, operations, named = jwk.get("kid"), jwk.get("use"), jwk.get("key_ops"), jwk.get("alg")
    if not (kid is None or isinstance(kid, str)) or use not in (None, "sig"):
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    # A key whose private half is public proves nothing.
    if "d" in jwk:
        return None
    made = _import(jwk)
    if made is None:
        return None
    key, members, algorithms = made
    if named is not None:
        algorithms = algorithms & {named} if isinstance(named, str) else frozenset()
    if not algorithms:
        return None
    members |= {name: value for name, value in (("kid", kid), ("use", use), ("alg", named)) if isinstance(value, str)}
    return VerificationKey(kid=kid, algorithms=algorithms, members=members, key=key)


def _import(
    jwk: Mapping[str, object],
) -> tuple[RSAKey | ECKey | OKPKey, dict[str, str], frozenset[str]] | None:
    """Build the key from its own members only, so that nothing else in the JWK can change its meaning."""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    try:
        if kind == "RSA":
            members = _texts(jwk, "kty", "n", "e")
            return _rsa_key(members), members, _RSA
        if kind == "EC" and isinstance(curve, str) and curve in _CURVES:
            members = _texts(jwk, "kty", "crv", "x", "y")
            return ECKey.import_key(dict(members)), members, frozenset({_CURVES[curve]})
        if kind == "OKP" and curve == "Ed25519":
            members = _texts(jwk, "kty", "crv", "x")
            return OKPKey.import_key(dict(members)), members, frozenset({"EdDSA"})
    except (JoseError, ValueError):
        return None
    return None


def _texts(jwk: Mapping[str, object], *names: str) -> dict[str, str]:
    found = {name: value for name in names if isinstance(value := jwk.get(name), str)}
    if len(found) != len(names):
        raise ValueError("a member is missing or not text")
    return found


def _rsa_key(members: Mapping[str, str]) -> RSAKey:
    """Check the size before the library sees it: joserfc only warns about small keys, huge ones cost time."""
    modulus, exponent = (int.from_bytes(base64url(members[name])) for name in ("n", "e"))
    if modulus.bit_length() not in RSA_BITS or not 3 <= exponent < RSA_EXPONENT_LIMIT:
        raise ValueError("RSA size")
    return RSAKey.import_key(RSAPublicNumbers(exponent, modulus).public_key())
