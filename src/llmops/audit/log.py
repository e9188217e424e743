"""Record who did what, in the transaction of the change itself (SEC-07). Entries are only ever added.

The entries of one organization form a chain: each holds the hash of the one before it and of itself, so that one
that was changed, taken out or put in later is found by `verify`. Whoever can write to the whole database could make
a new chain; note the last hash elsewhere (`llmops audit verify` prints it) and that shows too.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Index, Integer, UniqueConstraint, bindparam, insert, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from llmops.audit.actions import Action
from llmops.base import ids
from llmops.db.tables import Base, Db

INSTALLATION = "installation"
"""The chain of what concerns no organization."""
START = "0" * 64


class Entry(Base):
    """One recorded action. `actor` is a user id, or a word such as `operator`; `target` what it was done to.

    `chain` is the organization's id, or `installation`; `number` counts from 1 in it. Entries from before there were
    chains have none.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_organization_at", "organization_id", "at"),
        UniqueConstraint("chain", "number"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str | None]
    at: Mapped[datetime]
    action: Mapped[str]
    actor: Mapped[str]
    target: Mapped[str]
    ip: Mapped[str]
    facts: Mapped[dict[str, str]]
    chain: Mapped[str | None]
    number: Mapped[int | None]
    hash: Mapped[str | None]


class Head(Base):
    """The end of one chain. Whoever adds an entry holds its row until the transaction ends."""

    __tablename__ = "audit_heads"

    chain: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    hash: Mapped[str]


def record(
    db: Db,
    action: Action,
    *,
    organization_id: str | None,
    actor: str,
    now: datetime,
    target: str = "",
    ip: str = "",
    **facts: object,
) -> None:
    """Add one entry. `facts` are shown to the organization's admins: no secrets."""
    chain = organization_id or INSTALLATION
    number, before = db.execute(_NEXT[db.dialect.name], {"chain": chain, "number": 1, "hash": START}).one()
    values = {
        "id": ids.new("audit"),
        "organization_id": organization_id,
        "at": now,
        "action": str(action),
        "actor": actor,
        "target": target,
        "ip": ip,
        "facts": {name: str(value)[:300] for name, value in facts.items() if value is not None},
        "chain": chain,
        "number": number,
    }
    values["hash"] = hash_of(values, before=before)
    db.execute(_ADD, values)
    db.execute(_MOVE_HEAD, {"where_chain": chain, "hash": values["hash"]})


def hash_of(values: dict[str, Any], *, before: str) -> str:
    """The hash of an entry: SHA-256 over the hash before it and every column, as JSON with sorted keys."""
    at = values["at"].astimezone(UTC).isoformat()
    content = {name: values[name] for name in _HASHED} | {"at": at, "before": before}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_HASHED = ("id", "organization_id", "action", "actor", "target", "ip", "facts", "chain", "number")


def _next(insert_for: Any) -> Any:
    """Take the chain's next number and lock its head; the first entry makes it."""
    table = Head.table()
    upsert = insert_for(table).on_conflict_do_update(
        index_elements=[table.c.chain], set_={"number": table.c.number + 1}
    )
    return upsert.returning(table.c.number, table.c.hash)


_NEXT = {"postgresql": _next(postgresql_insert), "sqlite": _next(sqlite_insert)}
_ADD = insert(Entry.table())
_MOVE_HEAD = update(Head.table()).where(Head.table().c.chain == bindparam("where_chain")).values(hash=bindparam("hash"))
