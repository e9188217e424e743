"""The steps of an attempt as people read them: a label for each, and what was seen in a readable form."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from llmops import errors
from llmops.broker.connections import Connection
from llmops.broker.saml import certificate
from llmops.broker.saml.rules import Check

_LABELS = {
    "status": "Status is Success",
    "response.issuer": "Issuer of the response",
    "response.signature": "Signature of the response",
    "response.algorithm": "Its algorithm",
    "response.destination": "Destination",
    "response.in_response_to": "Response answers our request",
    "response.issue_instant": "Response was issued in the past",
    "response.issue_instant.age": "Response is recent",
    "assertion": "Assertion",
    "assertion.signature": "Signature of the assertion",
    "assertion.algorithm": "Its algorithm",
    "signature": "What must be signed is signed",
    "encryption": "Encryption of the assertion",
    "assertion.issuer": "Issuer of the assertion",
    "assertion.issue_instant": "Assertion was issued in the past",
    "assertion.issue_instant.age": "Assertion is recent",
    "subject": "Name ID",
    "subject.format": "Name ID format",
    "confirmation": "Subject confirmation",
    "confirmation.recipient": "Recipient",
    "confirmation.in_response_to": "Confirmation answers our request",
    "confirmation.not_before": "Confirmation has begun",
    "confirmation.not_on_or_after": "Confirmation has not ended",
    "conditions.not_before": "Assertion has begun",
    "conditions.not_on_or_after": "Assertion has not ended",
    "audience": "Audience",
    "authentication": "Statement of the authentication",
    "authn_instant": "Moment of the authentication",
    "session_not_on_or_after": "Session at the provider has not ended",
    "force_authn": "The person was asked again",
    "authn_context": "Kind of authentication",
    "state": "State",
    "browser": "Browser",
    "callback": "Issuer of the callback",
    "token_endpoint": "Token endpoint, with PKCE",
    "id_token.signature": "Signature of the ID token",
    "id_token.issuer": "Issuer (iss)",
    "id_token.audience": "Audience (aud)",
    "id_token.times": "Times (iat, exp, nbf)",
    "id_token.nonce": "Nonce",
    "userinfo": "UserInfo",
}
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_ALGORITHM = re.compile(r"http://www\.w3\.org/[\w/.-]+#([\w-]+)")


@dataclass(frozen=True)
class Line:
    """One step. `note` adds what the values alone do not say: how far two clocks are apart, when a key expires."""

    label: str
    passed: bool
    seen: str
    expected: str
    note: str


def lines(checks: tuple[Check, ...], connection: Connection) -> tuple[Line, ...]:
    """The steps in their order."""
    return tuple(_line(check, connection) for check in checks)


def readable(value: str) -> str:
    """A moment, fingerprint or algorithm as people write it; everything else as it is."""
    if moment := _moment(value):
        return f"{moment:%-d %b %Y, %H:%M:%S} UTC"
    shortened = _ALGORITHM.sub(r"\1", value)
    return _FINGERPRINT.sub(lambda match: fingerprint(match[0]), shortened)


def fingerprint(digest: str) -> str:
    """A SHA-256 fingerprint as consoles show it: AB:CD:…"""
    return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2)).upper()


def apart(seen: str, expected: str) -> str:
    """How far two moments are apart, in words; empty for what are not two moments."""
    first, second = _moment(seen), _moment(expected)
    if first is None or second is None:
        return ""
    return f"{_duration(abs(first - second))} {'after' if first > second else 'before'} our clock"


def _line(check: Check, connection: Connection) -> Line:
    expected = "" if check.expected == check.seen else readable(check.expected)
    note = apart(check.seen, check.expected) or _expiry(check, connection)
    return Line(_label(check.name), check.outcome == "passed", readable(check.seen), "" if note else expected, note)


def _label(name: str) -> str:
    failure = errors.by_code(name)
    return _LABELS.get(name) or (failure.message if failure else name)


def _expiry(check: Check, connection: Connection) -> str:
    """Until when the certificate that verified a signature is good."""
    if not check.name.endswith(".signature"):
        return ""
    held = [certificate.from_base64(encoded) for encoded in connection.idp_certificates]
    return next((f"valid until {one.not_after:%-d %b %Y}" for one in held if one.fingerprint_sha256 == check.seen), "")


def _moment(value: str) -> datetime | None:
    """A time as `str(datetime)` writes it, or as seconds since 1970."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _duration(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
