"""What a visitor of the portal enters at the step of a guide that asks for it: read first, then kept on the draft.

Secrets go one way: they are stored sealed and never shown again, and what was pasted is not shown again either, for
it may have been one (ADM-05, WEB-10).
"""

import contextlib
from dataclasses import dataclass
from datetime import date
from typing import Any

from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.vendors import entra_cloud, entra_tenant
from llmops.broker.portal import reading, steps
from llmops.broker.portal.guide import Step
from llmops.broker.portal.links import Intent
from llmops.broker.portal.reading import ReadClient, ReadMetadata
from llmops.broker.portal.sessions import Visit
from llmops.errors import (
    BodyUnreadable,
    ClientInvalid,
    ConnectionIncomplete,
    MetadataInvalid,
    OidcDiscoveryInvalid,
    OutboundFailure,
)
from llmops.web.request import Request

CORRECTABLE = (MetadataInvalid, ClientInvalid, OidcDiscoveryInvalid, OutboundFailure)
"""What the visitor can put right by entering something else: shown with the form."""

_SHOWN_AGAIN = (
    "how", "url", "entity_id", "idp_entity_id", "sso_url", "tenant_id", "cloud", "client_id", "issuer", "expires_on",
)  # fmt: skip
_LONGEST_SHOWN = 2000


@dataclass(frozen=True)
class Given:
    """What was read. Exactly one of the two is there."""

    metadata: ReadMetadata | None = None
    client: ReadClient | None = None


def read(r: Request, visiting: Visit, step: Step, working: Connection) -> Given:
    """Read the form of a step; other servers may be asked, so no transaction is open yet. Raises: CORRECTABLE."""
    _refuse_private_keys(r)
    if step.input == "metadata":
        return Given(metadata=_metadata(r, visiting, working))
    return Given(client=_secret(r, visiting, working) if only_secret(visiting) else _client(r, visiting, working))


def keep(r: Request, visiting: Visit, given: Given) -> Connection:
    """Put what was read on the draft; beside a live connection one is begun. Raises: ConnectionIncomplete."""
    draft = steps.editable(r.db, r.sealer, visiting.organization_id, now=r.now)
    if Kind(draft.kind).is_saml != (given.metadata is not None):
        raise ConnectionIncomplete(problem="another provider was chosen meanwhile", seen=draft.kind)
    if given.metadata is not None:
        idp, url = given.metadata.idp, given.metadata.metadata_url
        connections.set_saml(r.db, draft, idp, metadata_url=url, sign_requests=draft.sign_requests)
    if given.client is not None:
        connections.set_oidc(
            r.db,
            r.sealer,
            draft,
            given.client.provider,
            client_id=given.client.client_id,
            client_secret=given.client.client_secret,
            secret_expires_at=given.client.secret_expires_at,
        )
    return connections.get(r.db, draft.id)


def only_secret(visiting: Visit) -> bool:
    """Whether the link is for a new client secret and nothing beside it."""
    return visiting.intent is Intent.ROTATE_SECRET


def typed(r: Request, working: Connection) -> dict[str, Any]:
    """What the fields of a step show: what was typed just now, else what is stored; never a secret."""
    stored: dict[str, str | None] = {
        "url": working.metadata_url,
        "issuer": working.issuer,
        "client_id": working.client_id,
        "tenant_id": entra_tenant(working.issuer) if working.issuer else None,
        "cloud": entra_cloud(working.issuer or ""),
    }
    shown: dict[str, Any] = {name: stored.get(name) or "" for name in _SHOWN_AGAIN}
    if working.client_secret_expires_at is not None:
        shown["expires_on"] = working.client_secret_expires_at.date().isoformat()
    if r.method == "POST":
        with contextlib.suppress(BodyUnreadable):
            shown |= {name: r.field(name)[:_LONGEST_SHOWN] for name in _SHOWN_AGAIN}
    return {name: "" if "PRIVATE KEY" in value else value for name, value in shown.items()} | {
        "has_secret": bool(working.client_secret)
    }


def _refuse_private_keys(r: Request) -> None:
    """A private key in whichever field or file: refused before anything looks at it. Raises: MetadataInvalid."""
    texts = [value for _, value in r.form_pairs]
    if any("PRIVATE KEY-----" in text for text in texts) or b"PRIVATE KEY-----" in (r.upload("file") or b""):
        raise MetadataInvalid(problem="private_key")


def _metadata(r: Request, visiting: Visit, working: Connection) -> ReadMetadata:
    ours = connections.addresses(r.settings.base_url, drafts.address_id(working)).sp_entity_id
    if r.field("how") == "manual":
        idp = reading.manual(
            entity_id=r.field("idp_entity_id"),
            sso_url=r.field("sso_url"),
            certificate_text=r.field("certificate"),
            now=r.now,
            allow_http=r.settings.development,
            our_entity_id=ours,
        )
        found = ReadMetadata(idp, None)
    else:
        found = reading.metadata_from(
            r,
            organization_id=visiting.organization_id,
            pasted=r.field("pasted"),
            uploaded=r.upload("file"),
            url=r.field("url"),
            entity_id=r.field("entity_id").strip() or None,
            our_entity_id=ours,
        )
    connections.require_redirect(found.idp)
    if visiting.intent is Intent.RENEW_CERTIFICATE and found.idp.entity_id != working.idp_entity_id:
        raise MetadataInvalid(problem="other_entity", seen=found.idp.entity_id, expected=working.idp_entity_id)
    return found


def _client(r: Request, visiting: Visit, working: Connection) -> ReadClient:
    """A client as typed. The stored secret stays when none is typed, but is never sent to another issuer."""
    typed_secret = r.field("client_secret").strip()
    kept = connections.client_secret(working, r.sealer) if working.client_secret and not typed_secret else ""
    found = reading.client_from(
        r,
        organization_id=visiting.organization_id,
        kind=Kind(working.kind),
        client_id=r.field("client_id"),
        client_secret=typed_secret or kept,
        issuer=r.field("issuer"),
        tenant_id=r.field("tenant_id"),
        cloud=r.field("cloud") or "global",
        expires_on=_date(r),
    )
    if kept and (found.provider.issuer, found.client_id) != (working.issuer, working.client_id):
        raise ClientInvalid(problem="secret_missing")
    return found


def _secret(r: Request, visiting: Visit, working: Connection) -> ReadClient:
    """A new secret for the client that is there (the purpose rotate_secret)."""
    if not working.issuer:
        raise ClientInvalid(problem="issuer_missing")
    found = reading.client_from(
        r,
        organization_id=visiting.organization_id,
        kind=Kind(working.kind),
        client_id=working.client_id or "",
        client_secret=r.field("client_secret"),
        issuer=working.issuer,
        tenant_id=entra_tenant(working.issuer) or "",
        cloud=entra_cloud(working.issuer),
        expires_on=_date(r),
    )
    stored = Provider.from_dict(working.provider)
    return ReadClient(stored, found.client_id, found.client_secret, found.secret_expires_at)


def _date(r: Request) -> date | None:
    """The day on which the secret ends, None when none was given. Raises: ClientInvalid."""
    text = r.field("expires_on").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ClientInvalid(problem="date", seen=text[:40]) from None
