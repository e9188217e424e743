"""What an administrator pastes, uploads or types, read at once: metadata, values by hand, a client's credentials.

Another server may be asked: call these before the request's transaction is open. Nothing is stored here, and nobody is
shown what a server answered, only what was understood of it (NET-07).
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from urllib.parse import urlsplit

from llmops.base.fetch import METADATA_LIMIT_BYTES
from llmops.broker.connections import Kind
from llmops.broker.oidc import discovery, keys
from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.vendors import GOOGLE_ISSUER, entra_issuer
from llmops.broker.saml import certificate, metadata
from llmops.broker.saml.metadata import IdentityProvider
from llmops.errors import ClientInvalid, IdpUnavailable, MetadataInvalid, OidcDiscoveryInvalid, OidcMalformed
from llmops.web import limits
from llmops.web.request import Request

UPLOAD_LIMIT_BYTES = 1024 * 1024
MOST_FETCHES = 30
"""Calls to other servers for one organization in WINDOW_SECONDS (NET-06)."""
WINDOW_SECONDS = 600
REDIRECT_LIMIT = 3
TYPED_LIMIT = 2000

_DISCOVERY = "/.well-known/openid-configuration"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OKTA_ADMIN = re.compile(r"(https://[a-z0-9-]+)-admin(\.(?:okta|oktapreview|okta-emea)\.com)\b.*", re.IGNORECASE)
_GOOGLE_CLIENT = ".apps.googleusercontent.com"


@dataclass(frozen=True)
class ReadMetadata:
    """An identity provider, and the address that its metadata can be read from again, if that is where it was."""

    idp: IdentityProvider
    metadata_url: str | None


@dataclass(frozen=True)
class ReadClient:
    """A client whose issuer answered. That the secret is right shows at the first sign-in only."""

    provider: Provider
    client_id: str
    client_secret: str = field(repr=False)
    secret_expires_at: datetime | None


def metadata_from(
    r: Request,
    *,
    organization_id: str,
    pasted: str,
    uploaded: bytes | None,
    url: str,
    entity_id: str | None,
    our_entity_id: str,
) -> ReadMetadata:
    """The identity provider in an uploaded file, else in what was pasted, else behind an address.

    An address among the pasted and XML in the address field are understood. `entity_id` chooses one of several.
    Raises: MetadataInvalid, OutboundFailure, TooManyAttempts. Source: SAML-38, WEB-10, NET-04, NET-06.
    """
    pasted, url = pasted.strip(), url.strip()
    if url.startswith(("<", "-----BEGIN")):
        pasted, url = pasted or url, ""
    if re.fullmatch(r"https?://\S+", pasted):
        pasted, url = "", pasted
    address = None
    if uploaded is not None:
        document, limit = uploaded, UPLOAD_LIMIT_BYTES
    elif pasted:
        document, limit = pasted.encode(), UPLOAD_LIMIT_BYTES
    elif url:
        document, limit, address = _fetched(r, organization_id, url), METADATA_LIMIT_BYTES, url
    else:
        raise MetadataInvalid(problem="nothing")
    if len(document) > limit:
        raise MetadataInvalid(problem="too_large", seen=len(document), expected=limit)
    idp = metadata.read(
        document, now=r.now, entity_id=entity_id, our_entity_id=our_entity_id, allow_http=r.settings.development
    )
    return ReadMetadata(idp, address)


def manual(
    *,
    entity_id: str,
    sso_url: str,
    certificate_text: str,
    now: datetime,
    allow_http: bool,
    our_entity_id: str | None = None,
) -> IdentityProvider:
    """An identity provider from three fields, by the same checks as one from metadata. Raises: MetadataInvalid."""
    entity_id = entity_id.strip()
    if our_entity_id is not None and entity_id == our_entity_id:
        raise MetadataInvalid(problem="our_own", seen=entity_id)
    return metadata.stated(
        entity_id=entity_id,
        sso_url=sso_url.strip(),
        certificates=certificate.from_pasted(certificate_text.strip().encode()),
        now=now,
        allow_http=allow_http,
    )


def client_from(
    r: Request,
    *,
    organization_id: str,
    kind: Kind,
    client_id: str,
    client_secret: str,
    issuer: str = "",
    tenant_id: str = "",
    cloud: str = "global",
    expires_on: date | None = None,
) -> ReadClient:
    """A client, checked as far as that goes without a sign-in. Entra takes `tenant_id` and `cloud`, Google neither.

    Raises: ClientInvalid, OidcDiscoveryInvalid, OutboundFailure, TooManyAttempts. Source: OIDC-16, OIDC-18.
    """
    client_id, client_secret, tenant_id = client_id.strip(), client_secret.strip(), tenant_id.strip()
    _check_credentials(client_id, client_secret)
    if kind is Kind.ENTRA_OIDC:
        _check_entra(tenant_id, client_id, client_secret)
        issuer = entra_issuer(tenant_id, cloud=cloud)
    elif kind is Kind.GOOGLE_OIDC:
        _check_google(client_id)
        issuer = GOOGLE_ISSUER
    else:
        issuer = _issuer(issuer)
    if expires_on is not None and expires_on <= r.now.astimezone(UTC).date():
        raise ClientInvalid(problem="secret_expired", seen=expires_on)
    provider = _discovered(r, organization_id, issuer, tenant_id=tenant_id)
    ends = datetime.combine(expires_on, time.min, UTC) if expires_on is not None else None
    return ReadClient(provider, client_id, client_secret, ends)


def _count(r: Request, organization_id: str) -> None:
    limits.check(r, "portal.fetch", organization_id, most=MOST_FETCHES, window_seconds=WINDOW_SECONDS)


def _fetched(r: Request, organization_id: str, url: str) -> bytes:
    _count(r, organization_id)
    return r.site.fetch.get(
        url, content_types=metadata.MEDIA_TYPES, limit_bytes=METADATA_LIMIT_BYTES, redirects=REDIRECT_LIMIT
    ).body


def _check_credentials(client_id: str, client_secret: str) -> None:
    """What no client ID and no secret looks like. The secret is never among a failure's facts."""
    if not client_id:
        raise ClientInvalid(problem="client_id_missing")
    if not client_secret:
        raise ClientInvalid(problem="secret_missing")
    if "PRIVATE KEY-----" in client_secret + client_id:
        raise ClientInvalid(problem="private_key")
    if client_secret == client_id or client_secret.endswith(_GOOGLE_CLIENT):
        raise ClientInvalid(problem="secret_is_client_id")
    if not _is_typed(client_id):
        raise ClientInvalid(problem="client_id_characters")
    if not _is_typed(client_secret):
        raise ClientInvalid(problem="secret_characters")


def _is_typed(text: str) -> bool:
    """Visible ASCII without spaces. Source: RFC 6749 appendix A.1, A.2 (which would allow spaces)."""
    return len(text) <= TYPED_LIMIT and all("!" <= letter <= "~" for letter in text)


def _check_entra(tenant_id: str, client_id: str, client_secret: str) -> None:
    """The three values of Entra that are taken for each other most often. Source: Microsoft, AADSTS7000215."""
    if not tenant_id:
        raise ClientInvalid(problem="tenant_id_missing")
    if not _GUID.fullmatch(tenant_id):
        raise ClientInvalid(problem="tenant_id_not_guid", seen=tenant_id)
    if not _GUID.fullmatch(client_id):
        raise ClientInvalid(problem="client_id_not_guid", seen=client_id)
    if tenant_id.lower() == client_id.lower():
        raise ClientInvalid(problem="tenant_is_client", seen=tenant_id)
    if _GUID.fullmatch(client_secret):
        raise ClientInvalid(problem="secret_id")


def _check_google(client_id: str) -> None:
    if not client_id.endswith(_GOOGLE_CLIENT):
        raise ClientInvalid(problem="google_client_id", seen=client_id, expected=_GOOGLE_CLIENT)


def _issuer(typed: str) -> str:
    """The issuer as typed, with https before a bare host; a discovery address stays one for `_discovered`."""
    typed = typed.strip()
    if not typed:
        raise ClientInvalid(problem="issuer_missing")
    if "://" not in typed:
        typed = f"https://{typed}"
    if console := _OKTA_ADMIN.fullmatch(typed):
        raise ClientInvalid(problem="okta_admin_address", seen=typed, expected=f"{console[1]}{console[2]}")
    return typed


def _discovered(r: Request, organization_id: str, typed: str, *, tenant_id: str) -> Provider:
    """What the issuer publishes, with keys that can be read.

    From a discovery address it cannot be seen whether the issuer ends in a slash, so both are tried; the document's
    word still has to be the same as ours, letter by letter. Raises: ClientInvalid, OidcDiscoveryInvalid.
    """
    issuer = typed.removesuffix(_DISCOVERY)
    try:
        provider = _provider(r, organization_id, issuer)
    except OidcDiscoveryInvalid as failure:
        if tenant_id and failure.facts.get("problem") == discovery.NO_DOCUMENT:
            raise ClientInvalid(problem="tenant_unknown", seen=tenant_id, expected=urlsplit(issuer).netloc) from failure
        if issuer == typed or failure.facts.get("seen") != f"{issuer}/":
            raise
        provider = _provider(r, organization_id, f"{issuer}/")
    try:
        keys.fetch(provider.jwks_uri, r.site.fetch)
    except (IdpUnavailable, OidcMalformed) as failure:
        raise OidcDiscoveryInvalid(problem="keys: no answer", url=provider.jwks_uri) from failure
    return provider


def _provider(r: Request, organization_id: str, issuer: str) -> Provider:
    _count(r, organization_id)
    return discovery.fetch(issuer, r.site.fetch, allow_http=r.settings.development)
