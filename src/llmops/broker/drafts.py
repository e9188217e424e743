"""The next version of a live connection: made beside it, tested alone, and put in its place (ADM-04, TEN-12).

A draft is a row of `connections` with `draft_of`. It shares the live connection's addresses and key pair, so the
identity provider needs no second application.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete

from llmops.base import ids
from llmops.base.sealing import Sealer
from llmops.broker import connections
from llmops.broker.connections import Connection
from llmops.db.tables import Db, add, change, find
from llmops.errors import ConnectionUntested

TEST_COUNTS = timedelta(hours=24)
_OWN = {"id", "organization_id", "state", "created_at", "activated_at", "draft_of", "approval_asked_at"}
_SEALED = ("sp_private_key", "client_secret")


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


def discard(db: Db, draft: Connection) -> None:
    """The draft is not wanted any more; the live connection stays as it is."""
    assert draft.draft_of is not None, "only a draft beside a live connection is thrown away"
    db.execute(delete(Connection).where(Connection.id == draft.id))


def needs_owner(live: Connection, draft: Connection) -> bool:
    """Whether the draft would put somebody else in charge: another issuer, or none of the keys of before."""
    issuer = (live.idp_entity_id, live.issuer) != (draft.idp_entity_id, draft.issuer)
    other_client = live.client_id != draft.client_id
    keys = bool(live.idp_certificates) and not set(live.idp_certificates) & set(draft.idp_certificates)
    mapping = live.attribute_map != draft.attribute_map
    return issuer or other_client or keys or mapping


def require_tested(connection: Connection, *, now: datetime) -> None:
    """Exactly this configuration passed a test sign-in within 24 hours. Raises: ConnectionUntested."""
    if connection.tested_at is None or now - connection.tested_at > TEST_COUNTS:
        raise ConnectionUntested(connection=connection.id, seen=connection.tested_at, expected="within 24 hours")


def promote(db: Db, sealer: Sealer, draft: Connection) -> Connection:
    """Put the draft in the place of its live connection, which keeps id, addresses and state. Returns that one.

    The caller has required the test, and the owner's word where `needs_owner`.
    """
    assert draft.draft_of is not None, "only a draft beside a live connection takes its place"
    live_id = draft.draft_of
    values = {
        column.name: getattr(draft, column.name) for column in Connection.table().columns if column.name not in _OWN
    }
    values |= _resealed(sealer, draft, live_id)
    db.execute(delete(Connection).where(Connection.id == draft.id))
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
