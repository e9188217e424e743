"""The next version of a live connection: made beside it, tested alone, and put in its place (ADM-04, TEN-12).

A draft is a row of `connections` with `draft_of`. It shares the live connection's addresses and key pair, so the
identity provider needs no second application.
"""

import json
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update

from llmops.base import ids
from llmops.base.sealing import Sealer
from llmops.base.targets import origin
from llmops.broker import connections
from llmops.broker.connections import Connection, Kind
from llmops.db.tables import Db, add, change, find, one
from llmops.errors import ConnectionUnknown, ConnectionUntested

TEST_COUNTS = timedelta(hours=24)
_OWN = {"id", "organization_id", "state", "created_at", "activated_at", "draft_of", "approval_asked_at"}
_SEALED = ("sp_private_key", "client_secret")
_IN_CHARGE = ("idp_entity_id", "issuer", "client_id", "attribute_map", "allow_unsolicited", "want_signed")
_PASSING = {
    *("contacts", "client_secret_expires_at", "tested_at", "jwks", "jwks_read_at"),
    *("metadata_read_at", "metadata_failing_since", "metadata_tried_at", "metadata_notice"),
}


def address_id(connection: Connection) -> str:
    """The id in the connection's addresses: a draft's are those of the connection it is for."""
    return connection.draft_of or connection.id


def of(db: Db, connection_id: str) -> Connection | None:
    """The draft beside a live connection."""
    return find(db, Connection, draft_of=connection_id)


def begin(db: Db, sealer: Sealer, live: Connection, *, now: datetime) -> Connection:
    """The draft beside a live connection, made as its copy if there is none."""
    known = of(db, live.id)
    if known is not None:
        return known
    draft_id = ids.new("conn")
    columns = {column.name: getattr(live, column.name) for column in Connection.table().columns}
    values = {name: value for name, value in columns.items() if name not in _OWN}
    values |= _resealed(sealer, live, draft_id) | {"tested_at": None}
    organization = {"organization_id": live.organization_id, "draft_of": live.id}
    add(db, Connection, id=draft_id, state="draft", created_at=now, **organization, **values)
    return connections.get(db, draft_id)


def begin_with(db: Db, sealer: Sealer, live: Connection, *, kind: Kind, now: datetime) -> Connection:
    """A draft beside a live connection for another identity provider: nothing of the present one is in it.

    Our own key pair stays, as the addresses do. A draft that was there before is thrown away.
    """
    known = of(db, live.id)
    if known is not None:
        discard(db, known)
    made = connections.create(db, sealer, live.organization_id, kind=kind, now=now)
    values: dict[str, object] = {"draft_of": live.id, "contacts": live.contacts}
    if kind.is_saml and live.sp_private_key:
        key = _resealed(sealer, live, made.id)["sp_private_key"]
        values |= {"sp_private_key": key, "sp_certificate": live.sp_certificate}
    change(db, Connection, {"id": made.id}, **values)
    return connections.get(db, made.id)


def discard(db: Db, draft: Connection) -> None:
    """The draft is not wanted any more; the live connection stays as it is."""
    assert draft.draft_of is not None, "only a draft beside a live connection is thrown away"
    db.execute(delete(Connection).where(Connection.id == draft.id))


def needs_owner(live: Connection, draft: Connection) -> bool:
    """Whether the draft would let somebody else say who signs in, or would send people to somebody else's page.

    A key beside those that are there is enough for that: whoever holds it speaks for everybody, owners too. Only where
    the address that is in charge already publishes the key is nobody new believed: a refresh takes it over as well.
    """
    if any(getattr(live, name) != getattr(draft, name) for name in _IN_CHARGE):
        return True
    further_keys = set(draft.idp_certificates) - set(live.idp_certificates)
    published = draft.metadata_url is not None and draft.metadata_url == live.metadata_url
    return (
        (bool(further_keys) and not published)
        or draft.metadata_url not in (None, live.metadata_url)
        or origin(draft.idp_sso_url) != origin(live.idp_sso_url)
    )


def require_tested(connection: Connection, *, now: datetime) -> None:
    """Exactly this configuration passed a test sign-in within 24 hours. Raises: ConnectionUntested."""
    if connection.tested_at is None or now - connection.tested_at > TEST_COUNTS:
        raise ConnectionUntested(connection=connection.id, seen=connection.tested_at, expected="within 24 hours")


def ask_owner(db: Db, draft: Connection, *, now: datetime) -> bool:
    """The draft waits for an owner from now on; any change to it ends that. False when it waits already."""
    return change(db, Connection, {"id": draft.id, "approval_asked_at": None}, approval_asked_at=now) == 1


def void_all(db: Db) -> int:
    """No test counts and no question to an owner is open any more. Returns how many connections had one (SEC-09)."""
    asked_or_tested = or_(Connection.tested_at.is_not(None), Connection.approval_asked_at.is_not(None))
    voided = update(Connection).where(asked_or_tested).values(tested_at=None, approval_asked_at=None)
    return db.execute(voided).rowcount


def fingerprint(sealer: Sealer, connection: Connection) -> str:
    """A keyed hash of everything that decides about a sign-in, to see whether it changed during a test."""
    columns = [column.name for column in Connection.table().columns]
    decisive = {name: getattr(connection, name) for name in columns if name not in {*_OWN, *_PASSING, *_SEALED}}
    secret = connections.client_secret(connection, sealer) if connection.client_secret else ""
    return sealer.hashed("connection.configuration", json.dumps(decisive | {"secret": secret}, sort_keys=True))


def note_tested(db: Db, sealer: Sealer, connection_id: str, *, configuration: str, now: datetime) -> bool:
    """A test passed with the configuration of this fingerprint. False if the connection has another by now."""
    row = Connection.rows().where(Connection.id == connection_id).with_for_update()  # SQLite has one writer anyway
    connection = one(db, Connection, row)
    if connection is None or fingerprint(sealer, connection) != configuration:
        return False
    return change(db, Connection, {"id": connection_id}, tested_at=now) == 1


def promote(db: Db, sealer: Sealer, draft: Connection) -> Connection:
    """Put the draft in the place of its live connection, which keeps id, addresses and state. Returns that one.

    The caller has required the test, and the owner's word where `needs_owner`.
    Raises: ConnectionUnknown, when the draft was thrown away or promoted meanwhile.
    """
    assert draft.draft_of is not None, "only a draft beside a live connection takes its place"
    live_id = draft.draft_of
    values = {
        column.name: getattr(draft, column.name) for column in Connection.table().columns if column.name not in _OWN
    }
    values |= _resealed(sealer, draft, live_id)
    if db.execute(delete(Connection).where(Connection.id == draft.id)).rowcount != 1:
        raise ConnectionUnknown(seen=draft.id)
    change(db, Connection, {"id": live_id}, **values)
    return connections.get(db, live_id)


def _resealed(sealer: Sealer, source: Connection, target_id: str) -> dict[str, str | None]:
    """The secrets of one row, sealed for another: a cell that was merely copied would not open (SEC-01)."""
    fresh: dict[str, str | None] = {}
    for column in _SEALED:
        sealed = getattr(source, column)
        if sealed:
            plain = sealer.unseal(sealed, place=connections.place(column, source.id))
            fresh[column] = sealer.seal(plain, place=connections.place(column, target_id))
        else:
            fresh[column] = None
    return fresh
