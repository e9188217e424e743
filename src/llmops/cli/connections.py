"""`llmops connection`: connect an identity provider with nothing but its metadata, or its issuer and a client."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.fetch import METADATA_LIMIT_BYTES
from llmops.broker import connections
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc import discovery
from llmops.broker.oidc.discovery import Provider
from llmops.broker.saml import certificate, metadata
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.tables import Db
from llmops.errors import ConnectionIncomplete
from llmops.organizations import organization
from llmops.web.request import Site

app = typer.Typer(help="Connections to identity providers.", no_args_is_help=True)


class Type(StrEnum):
    """What `--type` takes."""

    OKTA_SAML = "okta-saml"
    OKTA_OIDC = "okta-oidc"
    ENTRA_OIDC = "entra-oidc"
    AZURE_SAML = "azure-saml"
    GOOGLE_SAML = "google-saml"
    GOOGLE_OIDC = "google-oidc"
    ADFS_SAML = "adfs-saml"
    JUMPCLOUD_SAML = "jumpcloud-saml"
    ONELOGIN_SAML = "onelogin-saml"
    PINGONE_SAML = "pingone-saml"
    KEYCLOAK_SAML = "keycloak-saml"
    GENERIC_SAML = "generic-saml"
    GENERIC_OIDC = "generic-oidc"

    @property
    def kind(self) -> Kind:
        """The same in the broker's words."""
        return Kind[self.name]


MetadataFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="SAML: the metadata file.")]
MetadataUrl = Annotated[str | None, typer.Option(help="SAML: the metadata's address.")]
EntityId = Annotated[str | None, typer.Option(help="SAML: which one, where the metadata holds several.")]
Issuer = Annotated[str | None, typer.Option(help="OpenID Connect: the issuer, character for character.")]
ClientId = Annotated[str | None, typer.Option(help="OpenID Connect: the client ID.")]
SecretFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="OpenID Connect: file with the secret.")
]
SignRequests = Annotated[
    bool | None, typer.Option("--sign-requests/--no-sign-requests", help="SAML: sign our requests with our key.")
]
Encrypt = Annotated[bool, typer.Option("--encrypt", help="SAML: publish our certificate for encrypted assertions.")]
Unsolicited = Annotated[bool, typer.Option("--allow-unsolicited", help="SAML: let the IdP's own portal start.")]
WantSigned = Annotated[str, typer.Option(help="SAML: any, assertion, response or both must be signed.")]
Attribute = Annotated[
    list[str] | None,
    typer.Option("--attribute", help="FIELD=NAME for an unusual attribute or claim; may be given again."),
]
Activate = Annotated[bool, typer.Option("--activate", help="Let it answer for the organization from now on.")]


@app.command()
def create(
    slug: str,
    type_: Annotated[Type, typer.Option("--type", help="Which identity provider, by which protocol.")],
    metadata_file: MetadataFile = None,
    metadata_url: MetadataUrl = None,
    entity_id: EntityId = None,
    issuer: Issuer = None,
    client_id: ClientId = None,
    client_secret_file: SecretFile = None,
    sign_requests: SignRequests = None,
    encrypt: Encrypt = False,
    allow_unsolicited: Unsolicited = False,
    want_signed: WantSigned = "any",
    attribute: Attribute = None,
    activate: Activate = False,
    as_json: AsJson = False,
) -> None:
    """Make a connection. Without metadata or issuer it is a draft with addresses to give to the identity provider."""
    with opened() as site:
        saml = _Saml(metadata_file, metadata_url, entity_id, sign_requests)
        given = _read(site, type_.kind, saml, _Oidc(issuer, client_id, client_secret_file))
        with site.database.writing() as db:
            now, found = site.clock(), organization.with_slug(db, slug)
            made = connections.create(db, site.sealer, found.id, kind=type_.kind, now=now)
            _take_over(db, site, made, given)
            connections.set_options(
                db,
                made,
                attribute_map=_attribute_map(attribute or []),
                allow_unsolicited=allow_unsolicited,
                want_signed=_want_signed(want_signed),
                publish_encryption=encrypt,
            )
            _record(db, site, made, Action.CONNECTION_CREATED)
            if activate:
                connections.activate(db, connections.get(db, made.id), now=now)
                _record(db, site, made, Action.CONNECTION_ACTIVATED)
            show(_told(site, connections.get(db, made.id)), as_json=as_json)


@app.command()
def configure(
    connection_id: str,
    metadata_file: MetadataFile = None,
    metadata_url: MetadataUrl = None,
    entity_id: EntityId = None,
    issuer: Issuer = None,
    client_id: ClientId = None,
    client_secret_file: SecretFile = None,
    sign_requests: SignRequests = None,
    activate: Activate = False,
    as_json: AsJson = False,
) -> None:
    """Give a connection its identity provider, or new metadata or a new secret, and perhaps activate it."""
    with opened() as site:
        with site.database.reading() as db:
            kind = Kind(connections.get(db, connection_id).kind)
        saml = _Saml(metadata_file, metadata_url, entity_id, sign_requests)
        given = _read(site, kind, saml, _Oidc(issuer, client_id, client_secret_file))
        with site.database.writing() as db:
            known = connections.get(db, connection_id)
            if _take_over(db, site, known, given):
                _record(db, site, known, Action.CONNECTION_CHANGED)
            if activate:
                connections.activate(db, connections.get(db, known.id), now=site.clock())
                _record(db, site, known, Action.CONNECTION_ACTIVATED)
            show(_told(site, connections.get(db, known.id)), as_json=as_json)


@app.command("show")
def show_one(connection_id: str, as_json: AsJson = False) -> None:
    """One connection: its addresses, what is known of the identity provider, its certificates."""
    with opened() as site, site.database.reading() as db:
        show(_told(site, connections.get(db, connection_id)), as_json=as_json)


@dataclass(frozen=True)
class _Saml:
    """The options for a SAML connection, as they were typed."""

    metadata_file: Path | None
    metadata_url: str | None
    entity_id: str | None
    sign_requests: bool | None


@dataclass(frozen=True)
class _Oidc:
    """The options for an OpenID Connect connection, as they were typed."""

    issuer: str | None
    client_id: str | None
    client_secret_file: Path | None


@dataclass(frozen=True)
class _Given:
    """What the options say, with files read and servers asked. None: nothing was said."""

    idp: metadata.IdentityProvider | None
    metadata_url: str | None
    sign_requests: bool | None
    provider: Provider | None
    client_id: str | None
    client_secret: str | None


def _read(site: Site, kind: Kind, saml: _Saml, oidc: _Oidc) -> _Given:
    """Read what the options name, before any transaction: a server may take seconds.

    Raises: typer.BadParameter, for an option of the other protocol, which would change nothing.
    """
    for name, value in vars(oidc if kind.is_saml else saml).items():
        if value is not None:
            raise typer.BadParameter(f"not for {kind.label}", param_hint=f"--{name.replace('_', '-')}")
    allow_http = site.settings.development
    document = None
    if saml.metadata_file is not None:
        document = saml.metadata_file.read_bytes()
    elif saml.metadata_url is not None:
        url = saml.metadata_url
        document = site.fetch.get(
            url, content_types=metadata.MEDIA_TYPES, limit_bytes=METADATA_LIMIT_BYTES, redirects=3
        ).body
    now, entity_id = site.clock(), saml.entity_id
    return _Given(
        idp=metadata.read(document, now=now, entity_id=entity_id, allow_http=allow_http) if document else None,
        metadata_url=saml.metadata_url,
        sign_requests=saml.sign_requests,
        provider=discovery.fetch(oidc.issuer, site.fetch, allow_http=allow_http) if oidc.issuer else None,
        client_id=oidc.client_id,
        client_secret=oidc.client_secret_file.read_text().strip() if oidc.client_secret_file else None,
    )


def _take_over(db: Db, site: Site, known: Connection, given: _Given) -> bool:
    """Change the connection by what was given; the rest stays. Returns whether there was anything to change."""
    signs = known.sign_requests if given.sign_requests is None else given.sign_requests
    if given.idp is not None:
        connections.set_saml(db, known, given.idp, metadata_url=given.metadata_url, sign_requests=signs)
    elif given.sign_requests is not None:
        connections.set_options(db, known, sign_requests=signs)
    oidc = given.provider is not None or given.client_id is not None or given.client_secret is not None
    if oidc:
        _take_over_oidc(db, site, known, given)
    return oidc or given.idp is not None or given.sign_requests is not None


def _take_over_oidc(db: Db, site: Site, known: Connection, given: _Given) -> None:
    """A new secret or client ID may come alone; a new issuer is never shown the secret meant for the old one.

    Raises: ConnectionIncomplete.
    """
    provider, client_id, secret = given.provider, given.client_id, given.client_secret
    if known.issuer and (provider is None or provider.issuer == known.issuer):
        provider = provider or Provider.from_dict(known.provider)
        client_id = known.client_id if client_id is None else client_id
        secret = connections.client_secret(known, site.sealer) if secret is None else secret
    wanted = {"--issuer": provider, "--client-id": client_id, "--client-secret-file": secret}
    if provider is None or not client_id or not secret:
        raise ConnectionIncomplete(missing=", ".join(name for name, value in wanted.items() if not value))
    connections.set_oidc(db, site.sealer, known, provider, client_id=client_id, client_secret=secret)


def _attribute_map(pairs: list[str]) -> dict[str, str]:
    parted = dict(pair.partition("=")[::2] for pair in pairs)
    known = {"email", "first_name", "last_name", "display_name", "groups"}
    if not parted.keys() <= known or not all(parted.values()):
        raise typer.BadParameter(f"FIELD=NAME with FIELD one of {', '.join(sorted(known))}", param_hint="--attribute")
    return parted


def _want_signed(value: str) -> str:
    if value not in ("any", "assertion", "response", "both"):
        raise typer.BadParameter("any, assertion, response or both", param_hint="--want-signed")
    return value


def _record(db: Db, site: Site, connection: Connection, action: Action) -> None:
    log.record(
        db,
        action,
        organization_id=connection.organization_id,
        actor=OPERATOR,
        now=site.clock(),
        target=connection.id,
        kind=connection.kind,
    )


def _told(site: Site, connection: Connection) -> dict[str, object]:
    ours = connections.addresses(site.settings.base_url, connection.id)
    saml = Kind(connection.kind).is_saml
    told: dict[str, object] = {
        "id": connection.id,
        "type": connection.kind,
        "state": connection.state,
        "acs_url": ours.acs_url if saml else None,
        "sp_entity_id": ours.sp_entity_id if saml else None,
        "sp_metadata_url": ours.sp_metadata_url if saml else None,
        "redirect_uri": None if saml else ours.redirect_uri,
        "created_at": connection.created_at.isoformat(),
        "activated_at": connection.activated_at.isoformat() if connection.activated_at else None,
    }
    if saml:
        kept = [certificate.from_base64(encoded) for encoded in connection.idp_certificates]
        told["sign_requests"], told["allow_unsolicited"] = connection.sign_requests, connection.allow_unsolicited
        told["want_signed"], told["publish_encryption"] = connection.want_signed, connection.publish_encryption
        told["idp_entity_id"], told["idp_sso_url"] = connection.idp_entity_id, connection.idp_sso_url
        told["certificates"] = [
            {"sha256": held.fingerprint_sha256, "not_after": held.not_after.isoformat()} for held in kept
        ]
    else:
        told["issuer"], told["client_id"] = connection.issuer, connection.client_id
    return told
