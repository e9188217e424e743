"""Look at the identity providers' metadata again: every day, and when an answer is signed with a key we do not know.

What the address published before may change within limits: new certificates, another path. Another host, or http, is
never taken over without a person; another identity provider, or no key, never at all (SAML-38, OIDC-16). No sign-in
waits for it: a look is a job, one at a time for each connection, on whichever replica (NET-06).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.base.fetch import METADATA_LIMIT_BYTES
from llmops.base.sealing import Sealer
from llmops.base.targets import origin
from llmops.broker import connections, contacts, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc import discovery
from llmops.broker.oidc.discovery import Provider
from llmops.broker.saml import certificate, metadata
from llmops.broker.saml.metadata import IdentityProvider
from llmops.broker.saml.names import HTTP_REDIRECT
from llmops.db.tables import Db
from llmops.errors import ConnectionUnknown, Failure, MetadataInvalid, OidcDiscoveryInvalid, OutboundFailure
from llmops.jobs import queue
from llmops.mail import letters, reminders
from llmops.organizations import organization
from llmops.web.request import Site

JOB = "metadata.refresh"
EVERY = timedelta(days=1)
AGAIN = timedelta(hours=6)
"""A metadata address that failed is asked again after so long."""
ASKED_PAUSE = timedelta(minutes=10)
TOLD_AFTER = timedelta(days=3)
ACTOR = "schedule"


@dataclass(frozen=True)
class Change:
    """What a look found: the columns to write, what of it people are told, and whether a person must decide."""

    values: dict[str, object]
    told: tuple[tuple[str, str], ...] = ()
    waits: bool = False


def queue_due(db: Db, sealer: Sealer, *, now: datetime, spread: timedelta = timedelta(0)) -> int:
    """Queue a look for every active connection whose last one is a day old, or failed six hours ago.

    They are spread at random over `spread`, so that letters and sign-ins find the worker and the wire free. Returns
    how many.
    """
    queued = 0
    for connection in connections.active(db):
        pause = AGAIN if connection.metadata_failing_since else EVERY
        if _source(connection) and connections.claim_refresh(db, connection.id, before=now - pause, now=now):
            wait = timedelta(seconds=secrets.randbelow(int(spread.total_seconds()) + 1))
            queue.put(db, sealer, kind=JOB, payload=connection.id, now=now, wait=wait)
            queued += 1
    return queued


def ask(db: Db, sealer: Sealer, connection: Connection, *, now: datetime) -> None:
    """Queue a look because an answer's key is unknown: at most one in ten minutes, whoever sends such answers."""
    if connection.state != "active" or not _source(connection):
        return
    if connections.claim_refresh(db, connection.id, before=now - ASKED_PAUSE, now=now):
        queue.put(db, sealer, kind=JOB, payload=connection.id, now=now)


def run(site: Site, connection_id: str) -> None:
    """Look at one connection's metadata, outside any transaction, and take over what may be."""
    try:
        with site.database.reading() as db:
            connection = connections.get(db, connection_id)
    except ConnectionUnknown:
        return
    if connection.state != "active" or not _source(connection):
        return
    try:
        change = _looked(site, connection)
    except (OutboundFailure, MetadataInvalid, OidcDiscoveryInvalid) as failure:
        with site.database.writing() as db:
            _failed(db, site, connection, failure)
        site.metrics.refreshed("failed")
        return
    with site.database.writing() as db:
        result = _take_over(db, site, connection, change)
    site.metrics.refreshed(result)


def _source(connection: Connection) -> str | None:
    """Where the identity provider publishes what we know of it."""
    return connection.metadata_url if Kind(connection.kind).is_saml else connection.issuer


def _document(connection: Connection) -> Sequence[object]:
    """What a look reads: where, by which protocol, and whose."""
    return _source(connection), Kind(connection.kind).is_saml, connection.idp_entity_id


def _looked(site: Site, connection: Connection) -> Change:
    """Raises: OutboundFailure, MetadataInvalid, OidcDiscoveryInvalid."""
    allow_http = site.settings.development
    source = _source(connection) or ""
    if not Kind(connection.kind).is_saml:
        return _oidc_change(connection, discovery.fetch(source, site.fetch, allow_http=allow_http))
    answer = site.fetch.get(source, content_types=metadata.MEDIA_TYPES, limit_bytes=METADATA_LIMIT_BYTES, redirects=3)
    idp = metadata.read(answer.body, now=site.clock(), entity_id=connection.idp_entity_id, allow_http=allow_http)
    if idp.sso_binding != HTTP_REDIRECT:
        raise MetadataInvalid(problem="no_redirect_endpoint", seen=idp.sso_binding, expected=HTTP_REDIRECT)
    return _saml_change(connection, idp)


def _saml_change(connection: Connection, idp: IdentityProvider) -> Change:
    """The metadata's certificates take the place of ours: what it no longer lists is no longer believed."""
    before = connection.idp_sso_url or ""
    if origin(idp.sso_url) != origin(before):
        return Change({}, (("Sign-in address before", before), ("Sign-in address now", idp.sso_url)), waits=True)
    held, listed = connection.idp_certificates, [one.encoded for one in idp.certificates]
    told = [("New certificate", _fingerprint(one)) for one in listed if one not in held]
    told += [("Certificate no longer used", _fingerprint(one)) for one in held if one not in listed]
    if idp.sso_url != before:
        told.append(("Sign-in address", idp.sso_url))
    return Change({"idp_sso_url": idp.sso_url, "idp_certificates": listed}, tuple(told))


def _oidc_change(connection: Connection, fresh: Provider) -> Change:
    stored = Provider.from_dict(connection.provider)
    if names := discovery.moved(stored, fresh):
        return Change({}, tuple((name, str(getattr(fresh, name))) for name in names), waits=True)
    was, now = stored.to_dict(), fresh.to_dict()
    told = tuple((name, str(now[name])) for name in now if now[name] != was.get(name) and name != "warnings")
    values: dict[str, object] = {"provider": now}
    if fresh.jwks_uri != stored.jwks_uri:  # the keys that we keep came from the old address
        values |= {"jwks": {}, "jwks_read_at": None}
    return Change(values, told)


def _take_over(db: Db, site: Site, looked_at: Connection, change: Change) -> str:
    """Write it down, unless somebody changed the connection meanwhile. Returns the word that is counted."""
    connection = connections.get(db, looked_at.id)
    if connection.state != "active" or _identity(connection) != _identity(looked_at):
        return "unchanged"
    now = site.clock()
    notice = "; ".join(f"{what}: {detail}" for what, detail in change.told)[:1000] if change.waits else None
    seen = {"metadata_read_at": now, "metadata_failing_since": None, "metadata_notice": notice}
    connections.refreshed(db, connection.id, **change.values, **seen)
    draft = drafts.of(db, connection.id)
    if draft is not None and change.values and _document(draft) == _document(connection):
        # A copy from before: put in force later, it would bring back a key that is believed no longer.
        connections.refreshed(db, draft.id, **change.values)
    if change.waits:
        if notice != connection.metadata_notice:
            _tell(db, site, connection, "metadata_waits", now=now, changes=change.told)
        return "waits"
    if not change.told:
        return "unchanged"
    changed = "; ".join(f"{what}: {detail}" for what, detail in change.told)
    log.record(
        db, Action.CONNECTION_REFRESHED, organization_id=connection.organization_id, actor=ACTOR,
        target=connection.id, now=now, changed=changed,
    )  # fmt: skip
    _tell(db, site, connection, "metadata_changed", now=now, changes=change.told)
    return "changed"


def _failed(db: Db, site: Site, connection: Connection, failure: Failure) -> None:
    """Sign-in goes on with what we have. After three days the people who can repair it are told, once."""
    now = site.clock()
    since = connection.metadata_failing_since or now
    connections.refreshed(db, connection.id, metadata_failing_since=since)
    key = f"metadata-failing:{connection.id}:{since.isoformat()}"
    if now - since >= TOLD_AFTER and reminders.first(db, key, now=now):
        _tell(db, site, connection, "metadata_failing", now=now, since=readable(since), reason=failure.message)


def _tell(
    db: Db,
    site: Site,
    connection: Connection,
    letter: str,
    *,
    now: datetime,
    changes: Sequence[tuple[str, str]] = (),
    since: str = "",
    reason: str = "",
) -> None:
    holder = organization.get(db, connection.organization_id)
    for address in contacts.told(db, holder.id):
        letters.send(
            db,
            site.sealer,
            site.settings,
            to=address,
            template=f"broker/mail/{letter}",
            now=now,
            organization_name=letters.harmless(holder.name),
            provider=Kind(connection.kind).label,
            server=_host(_source(connection) or ""),
            changes=[(what, _host(detail)) for what, detail in changes],
            since=since,
            reason=reason,
        )


def _identity(connection: Connection) -> Sequence[object]:
    """What must not have changed between the look and writing it down."""
    return (connection.idp_entity_id, connection.idp_sso_url, connection.issuer, connection.metadata_url,
            connection.idp_certificates, connection.provider)  # fmt: skip


def _host(text: str) -> str:
    """An address as letters name it: by its host, because they carry no links to elsewhere (PWD-16)."""
    return urlsplit(text).hostname or text if "://" in text else text


def _fingerprint(encoded: str) -> str:
    return certificate.from_base64(encoded).fingerprint_sha256
