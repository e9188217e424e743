"""Signed tokens, strictly: the compact form, its header, and one signature by one of the issuer's keys."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from llmops.broker.oidc.keys import KeySet, VerificationKey, find
from llmops.broker.oidc.wire import BadJson, base64url, json_object
from llmops.errors import OidcAlgorithmRefused, OidcMalformed, OidcSignatureInvalid

LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True)
class Verified:
    """What a token said, after its signature verified with `algorithm`. Nothing in `claims` is judged yet."""

    algorithm: str
    claims: Mapping[str, object]
    kid: str | None = None


def verify(token: str, keys: KeySet, *, algorithms: Collection[str]) -> Verified:
    """Check the form and the signature of a compact JWS, with algorithms that were fixed beforehand.

    Raises: OidcMalformed, OidcAlgorithmRefused, OidcKeyUnknown, OidcSignatureInvalid.
    Source: RFC 8725 §3.1, 3.2, 3.10–3.12; RFC 7515 §4.1, 5.2.
    """
    header_part, payload_part, signature_part = _parts(token)
    header = _object(_decode(header_part, what="header"), what="header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise OidcAlgorithmRefused(seen=algorithm, expected=" ".join(sorted(algorithms)))
    _check_header(header)
    key = find(keys, kid=_kid(header), algorithm=algorithm)
    payload, signature = _decode(payload_part, what="payload"), _decode(signature_part, what="signature")
    signed = f"{header_part}.{payload_part}".encode("ascii")
    if not _is_signed(signed, signature, key=key, algorithm=algorithm):
        raise OidcSignatureInvalid(alg=algorithm, kid=key.kid)
    return Verified(algorithm=algorithm, claims=_object(payload, what="payload"), kid=key.kid)


def look(token: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and payload of a compact JWS, unverified: for people who look for a mistake. Raises: OidcMalformed."""
    header, payload, _ = _parts(token)
    return _object(_decode(header, what="header"), what="header"), _object(
        _decode(payload, what="payload"), what="payload"
    )


def _parts(token: str) -> tuple[str, str, str]:
    # Size comes before anything else that costs time.
    if len(token) > LIMIT_BYTES:
        raise OidcMalformed(problem="token too large", seen=len(token), expected=LIMIT_BYTES)
    parts = token.split(".")
    if len(parts) == 5:
        raise OidcMalformed(problem="the token is encrypted, which this connection does not ask for")
    if len(parts) != 3:
        raise OidcMalformed(problem="not a signed token", parts=len(parts))
    return parts[0], parts[1], parts[2]


def _object(text: bytes, *, what: str) -> dict[str, object]:
    try:
        return json_object(text)
    except BadJson as error:
        raise OidcMalformed(problem=f"token {what}: {error}") from error


def _decode(part: str, *, what: str) -> bytes:
    try:
        return base64url(part)
    except ValueError as error:
        raise OidcMalformed(problem=f"token {what}: not base64url") from error


def _check_header(header: Mapping[str, object]) -> None:
    """Refuse extensions and other kinds of token; `jku`, `jwk`, `x5u` and `x5c` are never looked at.

    Source: RFC 7515 §4.1.9–4.1.11; RFC 8725 §3.11 (a logout or access token is not an ID token).
    """
    if "crit" in header or "b64" in header:
        raise OidcMalformed(problem="token header: extension that we do not know", seen=header.get("crit"))
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") != "jwt":
        raise OidcMalformed(problem="token header: another kind of token", seen=kind, expected="JWT")
    if "cty" in header or "enc" in header or "zip" in header:
        raise OidcMalformed(problem="token header: nested or compressed token")


def _kid(header: Mapping[str, object]) -> str | None:
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise OidcMalformed(problem="token header: kid is not text")
    return kid


def _is_signed(signed: bytes, signature: bytes, *, key: VerificationKey, algorithm: str) -> bool:
    # joserfc 1.8 warns at every use of the name EdDSA (RFC 9864 renamed it); our keys are Ed25519 only.
    method = JWSRegistry.algorithms["Ed25519" if algorithm == "EdDSA" else algorithm]
    try:
        method.check_key(key.key)
        return method.verify(signed, signature, key.key) is True
    except (JoseError, ValueError):
        return False
