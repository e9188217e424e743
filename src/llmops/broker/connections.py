"""One organization's link to one identity provider: draft, active, off; which one answers.

A connection belongs to its organization for life (TEN-01). Its ACS URL, entity ID and redirect URI carry its id, so
the address alone says which connection, and with it which organization, an answer is for.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer
from llmops.broker.oidc.discovery import Provider
from llmops.broker.saml import keypair
from llmops.broker.saml.metadata import IdentityProvider
from llmops.broker.saml.names import HTTP_REDIRECT
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import ConnectionIncomplete, ConnectionUnknown, MetadataInvalid, SsoNotConfigured


class Kind(StrEnum):
    """Which identity provider a connection is to, and by which protocol. Values as WorkOS names them."""

    OKTA_SAML = "OktaSAML"
    OKTA_OIDC = "OktaOIDC"
    ENTRA_OIDC = "EntraIdOIDC"
    AZURE_SAML = "AzureSAML"
    GOOGLE_SAML = "GoogleSAML"
    GOOGLE_OIDC = "GoogleOIDC"
    ADFS_SAML = "ADFSSAML"
    JUMPCLOUD_SAML = "JumpCloudSAML"
    ONELOGIN_SAML = "OneLoginSAML"
    PINGONE_SAML = "PingOneSAML"
    KEYCLOAK_SAML = "KeycloakSAML"
    GENERIC_SAML = "GenericSAML"
    GENERIC_OIDC = "GenericOIDC"

    @property
    def is_saml(self) -> bool:
        """SAML 2.0, else OpenID Connect."""
        return self.value.endswith("SAML")

    @property
    def label(self) -> str:
        """The name on pages."""
        return _TITLES[self]


_TITLES = {
    Kind.OKTA_SAML: "Okta (SAML)",
    Kind.OKTA_OIDC: "Okta (OpenID Connect)",
    Kind.ENTRA_OIDC: "Microsoft Entra ID (OpenID Connect)",
    Kind.AZURE_SAML: "Microsoft Entra ID (SAML)",
    Kind.GOOGLE_SAML: "Google Workspace (SAML)",
    Kind.GOOGLE_OIDC: "Google (OpenID Connect)",
    Kind.ADFS_SAML: "AD FS (SAML)",
    Kind.JUMPCLOUD_SAML: "JumpCloud (SAML)",
    Kind.ONELOGIN_SAML: "OneLogin (SAML)",
    Kind.PINGONE_SAML: "PingOne (SAML)",
    Kind.KEYCLOAK_SAML: "Keycloak (SAML)",
    Kind.GENERIC_SAML: "SAML 2.0",
    Kind.GENERIC_OIDC: "OpenID Connect",
}


class Connection(Base):
    """A link. SAML and OpenID Connect fill different columns; secrets are sealed.

    A draft with `draft_of` is the next version of that live connection: it has the live one's addresses and keys, is
    tested beside it and then takes its place (broker/drafts.py).
    """

    __tablename__ = "connections"
    __table_args__ = (Index("ix_connections_organization_state", "organization_id", "state"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"))
    kind: Mapped[str]
    state: Mapped[str]  # draft, active, off
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    draft_of: Mapped[str | None] = mapped_column(unique=True)
    approval_asked_at: Mapped[datetime | None]  # a draft that an owner must approve waits since then
    tested_at: Mapped[datetime | None]  # the last test sign-in that passed with exactly this configuration
    contacts: Mapped[list[str]]  # e-mail addresses of the IT administrators
    attribute_map: Mapped[dict[str, str]]  # profile field → attribute or claim, where it is not one of the usual names

    idp_entity_id: Mapped[str | None] = mapped_column(index=True)
    idp_sso_url: Mapped[str | None]
    idp_certificates: Mapped[list[str]]  # base64 of DER
    metadata_url: Mapped[str | None]
    metadata_read_at: Mapped[datetime | None]
    metadata_failing_since: Mapped[datetime | None]
    sign_requests: Mapped[bool]
    publish_encryption: Mapped[bool]
    allow_unsolicited: Mapped[bool]
    want_signed: Mapped[str]  # any, assertion, response, both
    sp_private_key: Mapped[str | None]  # sealed PEM
    sp_certificate: Mapped[str | None]  # base64 of DER

    issuer: Mapped[str | None]
    client_id: Mapped[str | None]
    client_secret: Mapped[str | None]  # sealed
    client_secret_expires_at: Mapped[datetime | None]
    provider: Mapped[dict[str, Any]]  # what discovery said
    jwks: Mapped[dict[str, Any]]
    jwks_read_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Addresses:
    """What a connection is called and where it lives, for the identity provider's console."""

    acs_url: str
    sp_entity_id: str
    sp_metadata_url: str
    redirect_uri: str


def addresses(base_url: str, connection_id: str) -> Addresses:
    """The connection's own addresses. They derive from the configured base URL, never from a request (WEB-05)."""
    metadata = f"{base_url}/sso/saml/{connection_id}/metadata"
    return Addresses(
        acs_url=f"{base_url}/sso/saml/{connection_id}/acs",
        sp_entity_id=metadata,
        sp_metadata_url=metadata,
        redirect_uri=f"{base_url}/sso/oidc/{connection_id}/callback",
    )


def create(db: Db, sealer: Sealer, organization_id: str, *, kind: Kind, now: datetime) -> Connection:
    """A draft without an identity provider yet; a SAML one gets a key pair of its own."""
    connection_id = ids.new("conn")
    private_key = certificate = None
    if kind.is_saml:
        pair = keypair.make(connection_id, now=now)
        private_key = sealer.seal(pair.private_key_pem.decode(), place=place("sp_private_key", connection_id))
        certificate = base64.b64encode(pair.certificate.der).decode()
    add(
        db,
        Connection,
        id=connection_id,
        organization_id=organization_id,
        kind=kind,
        state="draft",
        created_at=now,
        contacts=[],
        attribute_map={},
        idp_certificates=[],
        sign_requests=False,
        publish_encryption=False,
        allow_unsolicited=False,
        want_signed="any",
        sp_private_key=private_key,
        sp_certificate=certificate,
        provider={},
        jwks={},
    )
    return get(db, connection_id)


def set_saml(
    db: Db, connection: Connection, idp: IdentityProvider, *, metadata_url: str | None, sign_requests: bool
) -> None:
    """Take over what the identity provider's metadata says.

    Two organizations may have one entity ID: Entra has one for a whole tenant. Their keys stay apart all the same.
    Raises: MetadataInvalid, problem="no_redirect_endpoint": requests leave by HTTP-Redirect only.
    """
    if idp.sso_binding != HTTP_REDIRECT:
        raise MetadataInvalid(problem="no_redirect_endpoint", seen=idp.sso_binding, expected=HTTP_REDIRECT)
    _change(
        db,
        connection.id,
        idp_entity_id=idp.entity_id,
        idp_sso_url=idp.sso_url,
        idp_certificates=[base64.b64encode(certificate.der).decode() for certificate in idp.certificates],
        metadata_url=metadata_url,
        sign_requests=sign_requests or idp.wants_signed_requests,
    )


def set_oidc(
    db: Db, sealer: Sealer, connection: Connection, provider: Provider, *, client_id: str, client_secret: str
) -> None:
    """Take over what discovery says, and the client's id and secret. Keys of an issuer before do not count any more."""
    _change(
        db,
        connection.id,
        issuer=provider.issuer,
        client_id=client_id,
        client_secret=sealer.seal(client_secret, place=place("client_secret", connection.id)),
        provider=provider.to_dict(),
        jwks={},
        jwks_read_at=None,
    )


def set_options(db: Db, connection: Connection, **options: object) -> None:
    """Change `attribute_map`, `allow_unsolicited`, `want_signed`, `publish_encryption` or `sign_requests`."""
    allowed = {"attribute_map", "allow_unsolicited", "want_signed", "publish_encryption", "sign_requests"}
    assert options.keys() <= allowed, options
    _change(db, connection.id, **options)


def keep_jwks(db: Db, connection_id: str, *, jwks: dict[str, object], now: datetime) -> None:
    """Remember the issuer's keys as they were just read."""
    _change(db, connection_id, jwks=jwks, jwks_read_at=now)


def activate(db: Db, connection: Connection, *, now: datetime) -> None:
    """From now on this connection answers for its organization; another that did is switched off.

    Raises: ConnectionIncomplete.
    """
    saml_ready = connection.idp_entity_id and connection.idp_sso_url and connection.idp_certificates
    oidc_ready = connection.issuer and connection.client_id and connection.client_secret
    if not (saml_ready if Kind(connection.kind).is_saml else oidc_ready):
        raise ConnectionIncomplete(connection=connection.id)
    change(db, Connection, {"organization_id": connection.organization_id, "state": "active"}, state="off")
    _change(db, connection.id, state="active", activated_at=now)


def get(db: Db, connection_id: str) -> Connection:
    """The connection with this id. Raises: ConnectionUnknown."""
    found = find(db, Connection, id=connection_id)
    if found is None:
        raise ConnectionUnknown(seen=connection_id[:40])
    return found


def active_for(db: Db, organization_id: str) -> Connection:
    """The connection that answers for an organization. Raises: SsoNotConfigured."""
    found = find(db, Connection, organization_id=organization_id, state="active")
    if found is None:
        raise SsoNotConfigured(organization=organization_id)
    return found


def of_organization(db: Db, organization_id: str) -> Sequence[Connection]:
    """All connections of an organization, the oldest first."""
    statement = Connection.rows().where(Connection.organization_id == organization_id).order_by(Connection.created_at)
    return many(db, Connection, statement)


def private_key_pem(connection: Connection, sealer: Sealer) -> str | None:
    """The connection's own private key, for signing requests and opening encrypted assertions."""
    sealed = connection.sp_private_key
    return sealer.unseal(sealed, place=place("sp_private_key", connection.id)) if sealed else None


def client_secret(connection: Connection, sealer: Sealer) -> str:
    """The client secret in clear, for the token endpoint only."""
    return sealer.unseal(connection.client_secret or "", place=place("client_secret", connection.id))


def reseal(db: Db, sealer: Sealer) -> int:
    """Seal every secret with the current secret key. Returns how many connections had one."""
    changed = 0
    for connection in many(db, Connection, Connection.rows()):
        fresh: dict[str, str] = {}
        for column in ("sp_private_key", "client_secret"):
            if sealed := getattr(connection, column):
                here = place(column, connection.id)
                fresh[column] = sealer.seal(sealer.unseal(sealed, place=here), place=here)
        if fresh:
            _change(db, connection.id, **fresh)
            changed += 1
    return changed


def _change(db: Db, connection_id: str, **values: object) -> None:
    change(db, Connection, {"id": connection_id}, **values)


def place(column: str, connection_id: str) -> str:
    """Where a secret of a connection is sealed for."""
    return f"connections.{column}:{connection_id}"
