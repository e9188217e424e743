"""«Here is what we read»: a connection as an administrator compares it with the console, and what to mind about it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from llmops.base.outside import visible
from llmops.broker import certificates
from llmops.broker.certificates import CERTIFICATE, SECRET, Expiry
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc.discovery import Provider
from llmops.broker.saml import certificate
from llmops.broker.saml.metadata import SOON

LONGEST_VALUE = 1000
_AUTHENTICATION = {"client_secret_basic": "in a header (basic)", "client_secret_post": "in the form (post)"}


def facts(connection: Connection, *, now: datetime) -> Sequence[tuple[str, str]]:
    """Label and value, in the order in which consoles show them; nothing secret. Empty before anything was read."""
    found = _saml(connection, now) if Kind(connection.kind).is_saml else _oidc(connection, now)
    return [(label, visible(value)[:LONGEST_VALUE]) for label, value in found]


def warnings(connection: Connection, *, now: datetime) -> Sequence[str]:
    """Sentences about what works today and may not tomorrow, or is weaker than it could be."""
    return list(_warnings(connection, now))


def fingerprint(hex_digits: str) -> str:
    """A fingerprint in groups of four, which people can compare and a narrow screen can break."""
    return " ".join(hex_digits[place : place + 4] for place in range(0, len(hex_digits), 4)).upper()


def expiry(moment: datetime, *, now: datetime) -> str:
    """The date, and how far away it is: «24 November 2026, in 60 days»."""
    days = Expiry("", "", moment).days_left(now)
    distance = f"in {days:,} days" if days > 1 else "tomorrow" if days == 1 else "within a day"
    if moment <= now:
        distance = "expired"
    return f"{moment:%-d %B %Y}, {distance}"


def _saml(connection: Connection, now: datetime) -> Iterator[tuple[str, str]]:
    if not connection.idp_entity_id:
        return
    yield "Entity ID (issuer)", connection.idp_entity_id
    yield "Sign-in URL", connection.idp_sso_url or ""
    yield "Binding", "HTTP-Redirect"
    for number, encoded in enumerate(connection.idp_certificates, start=1):
        held = certificate.from_base64(encoded)
        several = f" {number}" if len(connection.idp_certificates) > 1 else ""
        yield f"Certificate{several}, SHA-256", fingerprint(held.fingerprint_sha256)
        yield f"Certificate{several}, valid until", expiry(held.not_after, now=now)
    yield "Our requests", "signed" if connection.sign_requests else "not signed"
    yield "Metadata address", connection.metadata_url or "none: a new certificate must be given to us by hand"


def _oidc(connection: Connection, now: datetime) -> Iterator[tuple[str, str]]:
    if not connection.issuer:
        return
    provider = Provider.from_dict(connection.provider)
    yield "Issuer", provider.issuer
    yield "Authorization endpoint", provider.authorization_endpoint
    yield "Token endpoint", provider.token_endpoint
    yield "UserInfo endpoint", provider.userinfo_endpoint or "none"
    yield "Keys", provider.jwks_uri
    yield "Signature of the ID token", ", ".join(provider.algorithms)
    yield "Client ID", connection.client_id or ""
    yield "Client secret", f"kept sealed, sent {_AUTHENTICATION[provider.client_auth]}"
    ends = connection.client_secret_expires_at
    yield "Client secret, valid until", expiry(ends, now=now) if ends else "no date given"


def _warnings(connection: Connection, now: datetime) -> Iterator[str]:
    for one in certificates.of(connection):
        if one.what not in (CERTIFICATE, SECRET):
            continue
        if one.at <= now:
            yield f"A {one.what} has expired. Give us the new one."
        elif one.at <= now + SOON:
            yield f"A {one.what} expires soon: {expiry(one.at, now=now)}."
    if any(certificate.from_base64(encoded).signed_with_sha1 for encoded in connection.idp_certificates):
        yield "A certificate is signed with SHA-1. That does no harm here, but choose SHA-256 when you renew it."
    if connection.provider:
        yield from Provider.from_dict(connection.provider).warnings
    address = connection.metadata_url
    if connection.kind == Kind.AZURE_SAML and address and "appid=" not in address.lower():
        yield "The metadata address has no appid in it, so it lists other keys than your app's. Copy it again, whole."
    if connection.kind == Kind.ENTRA_OIDC and connection.issuer and connection.client_secret_expires_at is None:
        yield "Entra's client secrets expire, and nobody reminds you. Enter the date, and we do."
