"""`llmops connection`: connect an identity provider with nothing but its metadata, or its issuer and a client."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.broker import connections
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc import discovery
from llmops.broker.saml import certificate, metadata
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.tables import Db
from llmops.errors import ConnectionIncomplete
from llmops.organizations import organization
from llmops.web.request import Site

app = typer.Typer(help="Connections to identity providers.", no_args_is_help=True)

METADATA_BYTES = 5 * 1024 * 1024
METADATA_TYPES = ("application/samlmetadata+xml", "application/xml", "text/xml")


class Type(StrEnum):
    """What `--type` takes."""

    OKTA_SAML = "okta-saml"
    AZURE_SAML = "azure-saml"
    GOOGLE_SAML = "google-saml"
    GENERIC_SAML = "generic-saml"
    ENTRA_OIDC = "entra-oidc"
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
SignRequests = Annotated[bool, typer.Option("--sign-requests", help="SAML: sign our requests with our key.")]
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
    sign_requests: SignRequests = False,
    encrypt: Encrypt = False,
    allow_unsolicited: Unsolicited = False,
    want_signed: WantSigned = "any",
    attribute: Attribute = None,
    activate: Activate = False,
    as_json: AsJson = False,
) -> None:
    """Make a connection. Without metadata or issuer it is a draft with addresses to give to the identity provider."""
    with opened() as site:
        idp = _identity_provider(site, metadata_file, metadata_url, entity_id)
        provider = discovery.fetch(issuer, site.fetch, allow_http=_http_allowed(site)) if issuer else None
        with site.database.writing() as db:
            now, found = site.clock(), organization.with_slug(db, slug)
            made = connections.create(db, site.sealer, found.id, kind=type_.kind, now=now)
            if idp is not None:
                connections.set_saml(db, made, idp, metadata_url=metadata_url, sign_requests=sign_requests)
            if provider is not None:
                secret = client_secret_file.read_text().strip() if client_secret_file else ""
                if not client_id or not secret:
                    raise ConnectionIncomplete(missing="--client-id and --client-secret-file")
                connections.set_oidc(db, site.sealer, made, provider, client_id=client_id, client_secret=secret)
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
    sign_requests: SignRequests = False,
    activate: Activate = False,
    as_json: AsJson = False,
) -> None:
    """Give a connection its identity provider, or new metadata or a new secret, and perhaps activate it."""
    with opened() as site:
        idp = _identity_provider(site, metadata_file, metadata_url, entity_id)
        provider = discovery.fetch(issuer, site.fetch, allow_http=_http_allowed(site)) if issuer else None
        with site.database.writing() as db:
            known = connections.get(db, connection_id)
            if idp is not None:
                connections.set_saml(db, known, idp, metadata_url=metadata_url, sign_requests=sign_requests)
            if provider is not None:
                secret = client_secret_file.read_text().strip() if client_secret_file else ""
                if not client_id or not secret:
                    raise ConnectionIncomplete(missing="--client-id and --client-secret-file")
                connections.set_oidc(db, site.sealer, known, provider, client_id=client_id, client_secret=secret)
            if activate:
                connections.activate(db, connections.get(db, known.id), now=site.clock())
                _record(db, site, known, Action.CONNECTION_ACTIVATED)
            show(_told(site, connections.get(db, known.id)), as_json=as_json)


@app.command("show")
def show_one(connection_id: str, as_json: AsJson = False) -> None:
    """One connection: its addresses, what is known of the identity provider, its certificates."""
    with opened() as site, site.database.reading() as db:
        show(_told(site, connections.get(db, connection_id)), as_json=as_json)


def _identity_provider(
    site: Site, file: Path | None, url: str | None, entity_id: str | None
) -> metadata.IdentityProvider | None:
    if file is not None:
        document = file.read_bytes()
    elif url is not None:
        document = site.fetch.get(url, content_types=METADATA_TYPES, limit_bytes=METADATA_BYTES, redirects=3).body
    else:
        return None
    return metadata.read(document, now=site.clock(), entity_id=entity_id, allow_http=_http_allowed(site))


def _http_allowed(site: Site) -> bool:
    return site.settings.development or site.settings.outbound_allow_private


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
        told["idp_entity_id"], told["idp_sso_url"] = connection.idp_entity_id, connection.idp_sso_url
        told["certificates"] = [
            {"sha256": held.fingerprint_sha256, "not_after": held.not_after.isoformat()} for held in kept
        ]
    else:
        told["issuer"], told["client_id"] = connection.issuer, connection.client_id
    return told
