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

from sqlalchemy import ForeignKey, Index, delete, update
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer, same
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
    metadata_tried_at: Mapped[datetime | None]  # the last look at metadata or discovery, whatever came of it
    metadata_notice: Mapped[str | None]  # a change found there that waits for an administrator
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
    require_redirect(idp)
    _configure(
        db,
        connection.id,
        idp_entity_id=idp.entity_id,
        idp_sso_url=idp.sso_url,
        idp_certificates=[base64.b64encode(certificate.der).decode() for certificate in idp.certificates],
        metadata_url=metadata_url,
        metadata_notice=None,
        metadata_failing_since=None,
        sign_requests=sign_requests or idp.wants_signed_requests,
    )


def require_redirect(idp: IdentityProvider) -> None:
    """Requests leave by HTTP-Redirect only. Raises: MetadataInvalid, problem="no_redirect_endpoint"."""
    if idp.sso_binding != HTTP_REDIRECT:
        raise MetadataInvalid(problem="no_redirect_endpoint", seen=idp.sso_binding, expected=HTTP_REDIRECT)


def set_oidc(
    db: Db,
    sealer: Sealer,
    connection: Connection,
    provider: Provider,
    *,
    client_id: str,
    client_secret: str,
    secret_expires_at: datetime | None = None,
) -> None:
    """Take over what discovery says, and the client's id and secret. Keys of an issuer before do not count any more.

    Without a date the end that is known of this very secret stays.
    """
    secret_expires_at = secret_expires_at or _known_end(connection, sealer, client_id, client_secret)
    _configure(
        db,
        connection.id,
        issuer=provider.issuer,
        client_id=client_id,
        client_secret=sealer.seal(client_secret, place=place("client_secret", connection.id)),
        client_secret_expires_at=secret_expires_at,
        provider=provider.to_dict(),
        metadata_notice=None,
        metadata_failing_since=None,
        jwks={},
        jwks_read_at=None,
    )


def set_options(db: Db, connection: Connection, **options: object) -> None:
    """Change `attribute_map`, `allow_unsolicited`, `want_signed`, `publish_encryption` or `sign_requests`."""
    allowed = {"attribute_map", "allow_unsolicited", "want_signed", "publish_encryption", "sign_requests"}
    assert options.keys() <= allowed, options
    _configure(db, connection.id, **options)


def set_contacts(db: Db, connection: Connection, contacts: Sequence[str]) -> None:
    """Who is told of the connection's affairs, beside the owners: normalised addresses."""
    _change(db, connection.id, contacts=list(contacts))


def keep_jwks(db: Db, connection_id: str, *, jwks: dict[str, object], now: datetime) -> None:
    """Remember the issuer's keys as they were just read."""
    _change(db, connection_id, jwks=jwks, jwks_read_at=now)


def claim_refresh(db: Db, connection_id: str, *, before: datetime, now: datetime) -> bool:
    """Note that the metadata is looked at now. False when somebody did since `before`: one look at a time."""
    table = Connection.table()
    old = table.c.metadata_tried_at.is_(None) | (table.c.metadata_tried_at < before)
    return db.execute(update(table).where(table.c.id == connection_id, old).values(metadata_tried_at=now)).rowcount == 1


def refreshed(db: Db, connection_id: str, **values: object) -> None:
    """Take over what a look at the metadata gave: the identity provider's word, which needs no new test."""
    taken = {"idp_sso_url", "idp_certificates", "provider", "jwks", "jwks_read_at"}
    kept = {"metadata_read_at", "metadata_failing_since", "metadata_notice"}
    assert values.keys() <= taken | kept, values
    _change(db, connection_id, **values)


def activate(db: Db, connection: Connection, *, now: datetime) -> None:
    """From now on this connection answers for its organization; another that did is switched off.

    Raises: ConnectionIncomplete.
    """
    if not is_complete(connection):
        raise ConnectionIncomplete(connection=connection.id)
    change(db, Connection, {"organization_id": connection.organization_id, "state": "active"}, state="off")
    _change(db, connection.id, state="active", activated_at=now)


def is_complete(connection: Connection) -> bool:
    """Whether everything is there that a sign-in needs."""
    if Kind(connection.kind).is_saml:
        return bool(connection.idp_entity_id and connection.idp_sso_url and connection.idp_certificates)
    return bool(connection.issuer and connection.client_id and connection.client_secret)


def discard(db: Db, connection: Connection) -> None:
    """Delete a draft that never answered for anybody."""
    assert connection.state == "draft", "only a draft is deleted"
    db.execute(delete(Connection).where(Connection.id == connection.id))


def switch_off(db: Db, connection: Connection) -> None:
    """Nobody signs in through it any more; what it knows is kept, so that it can be activated again."""
    _change(db, connection.id, state="off")


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


def active(db: Db) -> Sequence[Connection]:
    """Every connection that answers for its organization."""
    return many(db, Connection, Connection.rows().where(Connection.state == "active").order_by(Connection.id))


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


def _known_end(connection: Connection, sealer: Sealer, client_id: str, secret: str) -> datetime | None:
    """When the stored client secret ends, if it is this one."""
    if not connection.client_secret or connection.client_id != client_id:
        return None
    return connection.client_secret_expires_at if same(client_secret(connection, sealer), secret) else None


def _configure(db: Db, connection_id: str, **values: object) -> None:
    """A change that decides about sign-ins: no test and no question to an owner was about this configuration."""
    _change(db, connection_id, **values, tested_at=None, approval_asked_at=None)


def _change(db: Db, connection_id: str, **values: object) -> None:
    change(db, Connection, {"id": connection_id}, **values)


def place(column: str, connection_id: str) -> str:
    """Where a secret of a connection is sealed for."""
    return f"connections.{column}:{connection_id}"
