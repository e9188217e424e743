"""An OpenID provider inside the test: its tokens are good, except for what a case changes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from llmops.broker.oidc import discovery, keys
from llmops.broker.oidc.id_token import Rules

ISSUER = "https://idp.example.test"
CLIENT_ID = "client-1"
NONCE = "nonce-of-this-attempt"
ACCESS_TOKEN = "access-token-1"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
ABSENT = object()

Recipe = Callable[[Mapping[str, object]], str]
"""Makes a token that says also this, unless the recipe says otherwise."""

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1(), "K-256": ec.SECP256K1()}
_DIGESTS = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def rsa_key(name: str = "current", *, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One RSA key for each name, made once a run."""
    return _rsa_key(name, bits)


@cache
def _rsa_key(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(_CURVES[curve])


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8))


def jwk(key: Key, **members: object) -> dict[str, object]:
    """The public JWK of a key."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e), **members}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        curve = next(name for name, known in _CURVES.items() if known.name == public.curve.name)
        return {"kty": "EC", "crv": curve, "x": _number(point.x, size), "y": _number(point.y, size), **members}
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), **members}


def jwks(*published: Mapping[str, object]) -> bytes:
    return json.dumps({"keys": list(published or [jwk(rsa_key(), kid="current", use="sig")])}).encode()


def key_set(*published: Mapping[str, object]) -> keys.KeySet:
    return keys.read(jwks(*published))


def sign(algorithm: str, key: Any, signed: bytes) -> bytes:
    """A signature by `cryptography` alone, so that the library under test is not its own judge."""
    digest = _DIGESTS.get(algorithm[2:])
    if algorithm.startswith("HS"):
        return hmac.digest(key, signed, f"sha{algorithm[2:]}")
    if algorithm.startswith("RS"):
        return key.sign(signed, padding.PKCS1v15(), digest)
    if algorithm.startswith("PS"):
        return key.sign(signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    if algorithm.startswith("ES"):
        size = (key.key_size + 7) // 8
        return b"".join(part.to_bytes(size) for part in decode_dss_signature(key.sign(signed, ec.ECDSA(digest))))
    return key.sign(signed) if algorithm == "EdDSA" else b""


def changed(members: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**members, **changes}.items() if value is not ABSENT}


def good_claims() -> dict[str, object]:
    return {
        "iss": ISSUER,
        "sub": "ann",
        "aud": CLIENT_ID,
        "exp": MOMENT + 300,
        "iat": MOMENT - 5,
        "nonce": NONCE,
        "email": "ann@example.test",
        "at_hash": at_hash("sha256"),
    }


def at_hash(digest: str, access_token: str = ACCESS_TOKEN) -> str:
    whole = hashlib.new(digest, access_token.encode()).digest()
    return b64(whole[: len(whole) // 2])


@dataclass(frozen=True)
class Token:
    """A recipe for one token: what is changed in a good one. `raw_*` replace a part's bytes before encoding."""

    claims: Mapping[str, object] = field(default_factory=dict)
    header: Mapping[str, object] = field(default_factory=dict)
    algorithm: str = "RS256"
    key: Any = None
    raw_header: bytes | None = None
    raw_claims: bytes | None = None

    def make(self, **usual: object) -> str:
        """The token, of claims that are good, or `usual`, except for what the recipe changes."""
        good = {"alg": self.algorithm, "typ": "JWT", "kid": "current"}
        header = self.raw_header or json.dumps(changed(good, self.header)).encode()
        claims = self.raw_claims or json.dumps(changed({**good_claims(), **usual}, self.claims)).encode()
        signed = f"{b64(header)}.{b64(claims)}"
        return f"{signed}.{b64(sign(self.algorithm, self.key or rsa_key(), signed.encode()))}"


def rules(**changes: Any) -> Rules:
    given: dict[str, Any] = {
        "issuer": ISSUER,
        "client_id": CLIENT_ID,
        "nonce": NONCE,
        "algorithms": keys.ALGORITHMS,
    }
    return Rules(**{**given, **changes})


def document(**changes: object) -> bytes:
    """A discovery document."""
    good: dict[str, object] = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/keys",
        "userinfo_endpoint": f"{ISSUER}/userinfo",
        "end_session_endpoint": f"{ISSUER}/logout",
        "response_types_supported": ["code", "id_token"],
        "id_token_signing_alg_values_supported": ["none", "HS256", "RS256", "ES256"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post", "client_secret_basic"],
    }
    return json.dumps(changed(good, changes)).encode()


def provider(**changes: object) -> discovery.Provider:
    return discovery.read(document(**changes), issuer=ISSUER)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"


@dataclass(frozen=True)
class Call:
    method: str
    url: str
    form: Mapping[str, str] | None
    headers: Mapping[str, str]
    redirects: int


@dataclass
class Server:
    """The provider's HTTP side: gives one answer, or raises it, and remembers what it was asked."""

    answer: Answer | Exception
    calls: list[Call] = field(default_factory=list)

    def __call__(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        redirects: int = 0,
    ) -> Answer:
        self.calls.append(Call(method, url, form, headers or {}, redirects))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def says(members: Mapping[str, object], status: int = 200) -> Server:
    """A server that answers with this JSON."""
    return Server(Answer(status=status, body=json.dumps(members).encode()))
