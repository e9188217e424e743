"""Is this ID token acceptable: the checks of OIDC Core §3.1.3.7, each with its own failure."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from llmops.broker.oidc import jose
from llmops.broker.oidc.keys import KeySet
from llmops.errors import (
    EmailNotVerified,
    OidcExpired,
    OidcMalformed,
    OidcWrongAudience,
    OidcWrongAuthnContext,
    OidcWrongIssuer,
    OidcWrongNonce,
    OidcWrongTenant,
)

CLOCK_ALLOWANCE_SECONDS = 180
ISSUED_AGE_SECONDS = 600
SUBJECT_LIMIT = 255
_LATEST = 253402300799  # the last second of the year 9999
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


Note = Callable[[str, object, object], None]
"""Takes a check that passed: its name, what was seen and what was expected."""


@dataclass(frozen=True)
class Rules:
    """What the token has to say, all of it from the stored connection and the attempt.

    `algorithms` were fixed at discovery. `other_audiences` may stand beside our client ID. `tenant_id` is set
    for Entra, `hosted_domains` (lower case) for Google; `max_age_seconds` and `acr_values` if we asked. The age is that
    of the authentication when we asked, at `asked_at`, or now where nobody says when that was.
    """

    issuer: str
    client_id: str
    nonce: str
    algorithms: tuple[str, ...]
    other_audiences: frozenset[str] = frozenset()
    tenant_id: str | None = None
    hosted_domains: frozenset[str] | None = None
    max_age_seconds: int | None = None
    asked_at: datetime | None = None
    acr_values: frozenset[str] | None = None


@dataclass(frozen=True)
class Claims:
    """A checked ID token. The person is (connection, `issuer`, `subject`); nothing in `values` identifies.

    `auth_time` is in seconds since 1970, if the identity provider told it.
    """

    issuer: str
    subject: str
    auth_time: float | None
    values: Mapping[str, object]


def check_id_token(
    token: str,
    keys: KeySet,
    *,
    rules: Rules,
    access_token: str | None,
    now: datetime,
    note: Note = lambda name, seen, expected: None,
) -> Claims:
    """Check everything about an ID token that came from the token endpoint, and return what it says.

    `access_token` is the one that came with it, for `at_hash`; None only if there was none. `note` is told of each
    step that passed, for the trace.

    Raises: OidcMalformed, OidcAlgorithmRefused, OidcKeyUnknown (the caller may fetch the keys again, once),
    OidcSignatureInvalid, OidcWrongIssuer, OidcWrongAudience, OidcExpired, OidcWrongNonce,
    OidcWrongAuthnContext, OidcWrongTenant, EmailNotVerified.
    Source: OIDC Core §2, 3.1.3.7, 3.1.3.8; RFC 8725 §3; OIDC-07 to OIDC-13, OIDC-18 to OIDC-20.
    """
    verified = jose.verify(token, keys, algorithms=rules.algorithms)
    claims, moment = verified.claims, now.timestamp()
    note("id_token.signature", f"{verified.algorithm}, key {verified.kid or 'without a name'}", "")
    check_issuer(claims, issuer=rules.issuer)
    note("id_token.issuer", rules.issuer, rules.issuer)
    check_audience(claims, client_id=rules.client_id, others=rules.other_audiences)
    note("id_token.audience", claims["aud"], rules.client_id)
    subject = check_subject(claims)
    check_times(claims, moment=moment)
    note(
        "id_token.times",
        f"issued {moment - (_seconds(claims, 'iat') or 0):.0f} s ago",
        f"at most {ISSUED_AGE_SECONDS} s",
    )
    _check_nonce(claims, nonce=rules.nonce)
    note("id_token.nonce", "the one of this attempt", "")
    auth_time = _check_authentication(claims, rules=rules, moment=moment)
    _check_at_hash(claims, access_token=access_token, algorithm=verified.algorithm)
    if rules.tenant_id is not None:
        _check_tenant(claims, tenant_id=rules.tenant_id)
    if rules.hosted_domains is not None:
        _check_hosted_domain(claims, domains=rules.hosted_domains)
    return Claims(issuer=rules.issuer, subject=subject, auth_time=auth_time, values=claims)


def check_issuer(claims: Mapping[str, object], *, issuer: str) -> None:
    """`iss` is the stored issuer as a whole. Source: OIDC Core §3.1.3.7 (2); OIDC-10."""
    if claims.get("iss") != issuer:
        raise OidcWrongIssuer(seen=claims.get("iss"), expected=issuer, where="token")


def check_audience(claims: Mapping[str, object], *, client_id: str, others: frozenset[str] = frozenset()) -> None:
    """`aud` has our client ID and nobody unknown; `azp` is ours, and is there if there are several audiences.

    Source: OIDC Core §3.1.3.7 (3–5); OIDC-11.
    """
    stated = claims.get("aud")
    audiences = [stated] if isinstance(stated, str) else stated
    if not isinstance(audiences, list) or not all(isinstance(audience, str) for audience in audiences):
        raise OidcWrongAudience(seen=stated, expected=client_id)
    if client_id not in audiences or not set(audiences) <= {client_id, *others}:
        raise OidcWrongAudience(seen=" ".join(audiences), expected=client_id)
    azp = claims.get("azp")
    if azp is None and len(audiences) > 1:
        raise OidcWrongAudience(problem="several audiences and no azp", seen=" ".join(audiences), expected=client_id)
    if azp is not None and azp != client_id:
        raise OidcWrongAudience(claim="azp", seen=azp, expected=client_id)


def check_subject(claims: Mapping[str, object]) -> str:
    """`sub` is 1 to 255 printable ASCII characters. Source: OIDC Core §2; OIDC-12."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_LIMIT:
        raise OidcMalformed(problem="sub: missing, empty, too long or not text", seen=subject)
    if not (subject.isascii() and subject.isprintable()):
        raise OidcMalformed(problem="sub: characters that a subject cannot have", seen=ascii(subject))
    return subject


def check_times(claims: Mapping[str, object], *, moment: float) -> None:
    """`exp` is ahead, `iat` at most ten minutes ago, `nbf` past; each with the clock allowance.

    Source: OIDC Core §3.1.3.7 (9, 10); RFC 7519 §4.1.4–4.1.6; OIDC-12.
    """
    expires, issued, begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise OidcMalformed(problem="exp or iat is missing")
    facts = {"now": int(moment), "exp": expires, "iat": issued, "nbf": begins}
    if moment >= expires + CLOCK_ALLOWANCE_SECONDS:
        raise OidcExpired(problem="exp has passed", **facts)
    if begins is not None and begins > moment + CLOCK_ALLOWANCE_SECONDS:
        raise OidcExpired(problem="nbf is ahead", **facts)
    if issued > moment + CLOCK_ALLOWANCE_SECONDS:
        raise OidcExpired(problem="iat is ahead", **facts)
    if issued < moment - ISSUED_AGE_SECONDS - CLOCK_ALLOWANCE_SECONDS:
        raise OidcExpired(problem="iat is too long ago", **facts)


def _seconds(claims: Mapping[str, object], name: str) -> float | None:
    """A NumericDate: a JSON number, possibly with a fraction (Canaille's auth_time); true is not 1 here."""
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OidcMalformed(problem=f"{name}: not a number", seen=value)
    if not 0 <= value <= _LATEST:
        raise OidcMalformed(problem=f"{name}: not a time", seen=value)
    return value


def _check_nonce(claims: Mapping[str, object], *, nonce: str) -> None:
    """Source: OIDC Core §3.1.3.7 (11), 15.5.2; OIDC-03. Empty is never equal to empty."""
    seen = claims.get("nonce")
    if not isinstance(seen, str) or not nonce or not hmac.compare_digest(seen.encode(), nonce.encode()):
        raise OidcWrongNonce(seen="another" if "nonce" in claims else "none")


def _check_authentication(claims: Mapping[str, object], *, rules: Rules, moment: float) -> float | None:
    """What the request asked for is checked in the answer. Source: OIDC Core §3.1.3.7 (12, 13); OIDC-20."""
    auth_time = _seconds(claims, "auth_time")
    if rules.acr_values is not None and claims.get("acr") not in rules.acr_values:
        raise OidcWrongAuthnContext(claim="acr", seen=claims.get("acr"), expected=" ".join(sorted(rules.acr_values)))
    if rules.max_age_seconds is not None:
        if auth_time is None:
            raise OidcWrongAuthnContext(claim="auth_time", seen=None, expected=f"within {rules.max_age_seconds} s")
        age = (rules.asked_at.timestamp() if rules.asked_at else moment) - auth_time
        is_ahead = auth_time > moment + CLOCK_ALLOWANCE_SECONDS
        if is_ahead or age > rules.max_age_seconds + CLOCK_ALLOWANCE_SECONDS:
            raise OidcWrongAuthnContext(claim="auth_time", seen=auth_time, expected=f"within {rules.max_age_seconds} s")
    return auth_time


def _check_at_hash(claims: Mapping[str, object], *, access_token: str | None, algorithm: str) -> None:
    """The access token belongs to this ID token. Source: OIDC Core §3.1.3.8, 3.3.2.11; OIDC-15."""
    if "at_hash" not in claims or access_token is None:
        return
    # Ed25519 signs with SHA-512 inside; that is what issuers use here.
    digest = _HASHES[algorithm[2:] if algorithm != "EdDSA" else "512"](access_token.encode()).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")
    if claims["at_hash"] != expected:
        raise OidcMalformed(problem="at_hash: the access token is not the one of this ID token")


def _check_tenant(claims: Mapping[str, object], *, tenant_id: str) -> None:
    """Source: Microsoft identity platform, «ID token claims reference» (tid); OIDC-18."""
    if claims.get("tid") != tenant_id:
        raise OidcWrongTenant(claim="tid", seen=claims.get("tid"), expected=tenant_id)


def _check_hosted_domain(claims: Mapping[str, object], *, domains: frozenset[str]) -> None:
    """The parameter `hd` of the request is only a hint. Source: Google, «OpenID Connect» (hd); OIDC-19."""
    hosted = claims.get("hd")
    if not isinstance(hosted, str) or hosted.lower() not in domains:
        raise OidcWrongTenant(claim="hd", seen=hosted, expected=" ".join(sorted(domains)))
    if claims.get("email_verified") is not True:
        raise EmailNotVerified(seen=claims.get("email_verified"))
