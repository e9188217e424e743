"""Read the audit log: search one organization's entries, and verify that a chain is whole (SEC-07)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, cast, func, or_, select

from llmops.audit.actions import Action
from llmops.audit.log import INSTALLATION, START, Entry, Head, hash_of
from llmops.db.tables import Db, find, many, one
from llmops.errors import AuditChainBroken

_BATCH = 1000
_ROLLING_UPGRADE = timedelta(days=1)
"""How long replicas of the version before, which wrote no chain, may have run on beside the first that did."""


@dataclass(frozen=True)
class Wanted:
    """Which entries are looked for. What is empty or None does not narrow the search.

    `actors`: any of them; an empty sequence finds nothing, None everything. `text`: in facts, target, address, action
    or its sentence, or done by one of `text_actors`, whose names fit it. `without`: none of these actions. `since` is
    included, `until` is not.
    """

    actors: Sequence[str] | None = None
    action: str = ""
    text: str = ""
    text_actors: Sequence[str] = field(default=())
    without: Sequence[Action] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Verified:
    """A chain that is whole: how many entries, the last one's hash, and how many are from before there were chains."""

    chain: str
    entries: int
    last_hash: str
    unchained: int


def search(db: Db, organization_id: str, wanted: Wanted, *, offset: int = 0, most: int = 50) -> Sequence[Entry]:
    """One page of an organization's entries that fit, the latest first."""
    table = Entry.table()
    latest_first = (table.c.at.desc(), table.c.number.desc(), table.c.id.desc())
    statement = Entry.rows().where(*_fits(organization_id, wanted)).order_by(*latest_first)
    return many(db, Entry, statement.offset(offset).limit(most))


def count(db: Db, organization_id: str, wanted: Wanted) -> int:
    """How many of an organization's entries fit."""
    where = _fits(organization_id, wanted)
    return db.execute(select(func.count()).select_from(Entry.table()).where(*where)).scalar_one()


def verify(db: Db, chain: str, *, noted: tuple[int, str] | None = None) -> Verified:
    """Walk a chain (an organization's id or `installation`) from its first entry to its head.

    `noted`: number and hash of an entry as they were written down elsewhere. Whoever can write to the whole database
    can make a chain that fits together, but not one that also has that hash.

    Raises: AuditChainBroken with the `number` of the first entry that was changed, taken out or put in later.
    """
    number, before = 0, START
    while True:
        # The head is read first: entries that others add meanwhile lie behind it, so nothing may be missing before it.
        head = find(db, Head, chain=chain)
        batch = _after(db, chain, number)
        for entry in batch:
            if entry.number != number + 1:
                raise AuditChainBroken(number=number + 1, chain=chain, problem="an entry is missing")
            if entry.hash != hash_of(vars(entry), before=before):
                raise AuditChainBroken(number=entry.number, chain=chain, problem="not as it was written", id=entry.id)
            if noted is not None and noted[0] == entry.number and noted[1] != entry.hash:
                raise AuditChainBroken(number=entry.number, chain=chain, problem="another hash than was noted")
            number, before = entry.number, entry.hash
        if not batch:
            break
    if (number, before) != ((head.number, head.hash) if head is not None else (0, START)):
        raise AuditChainBroken(number=number + 1, chain=chain, problem="the chain does not end at its head")
    if noted is not None and noted[0] > number:
        raise AuditChainBroken(number=number + 1, chain=chain, problem="the entry that was noted is missing")
    return Verified(chain, entries=number, last_hash=before, unchained=_count_outside(db, chain))


def _after(db: Db, chain: str, number: int) -> Sequence[Entry]:
    """The next entries of a chain, in order."""
    table = Entry.table()
    behind = Entry.rows().where(table.c.chain == chain, table.c.number > number)
    return many(db, Entry, behind.order_by(table.c.number).limit(_BATCH))


def _count_outside(db: Db, chain: str) -> int:
    """How many entries of whom the chain belongs to are older than the chain.

    Raises: AuditChainBroken, for one that is not, and is in no chain, in another's, or at no place in this one.
    """
    table = Entry.table()
    theirs = table.c.organization_id.is_(None) if chain == INSTALLATION else table.c.organization_id == chain
    unchained = theirs & table.c.chain.is_(None)
    began = db.execute(select(func.min(table.c.at)).where(table.c.chain == chain)).scalar_one()
    strays = [
        (table.c.chain == chain) & or_(table.c.number.is_(None), table.c.number < 1),
        theirs & (table.c.chain != chain),
        *([unchained & (table.c.at > began + _ROLLING_UPGRADE)] if began is not None else []),
    ]
    stray = one(db, Entry, Entry.rows().where(or_(*strays)).order_by(table.c.at).limit(1))
    if stray is not None:
        raise AuditChainBroken(number=stray.number, chain=chain, problem="an entry outside the chain", id=stray.id)
    return db.execute(select(func.count()).select_from(table).where(unchained)).scalar_one()


def _fits(organization_id: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    """The conditions of a search. The organization is always one of them (ADM-09)."""
    table = Entry.table()
    where: list[ColumnElement[bool]] = [table.c.organization_id == organization_id]
    if wanted.actors is not None:
        where.append(table.c.actor.in_(wanted.actors))
    if wanted.action:
        where.append(table.c.action == wanted.action)
    if wanted.without:
        where.append(table.c.action.not_in(wanted.without))
    if wanted.since is not None:
        where.append(table.c.at >= wanted.since)
    if wanted.until is not None:
        where.append(table.c.at < wanted.until)
    if wanted.text:
        in_json = json.dumps(wanted.text)[1:-1]  # as the database keeps it: in ASCII
        columns = (table.c.target, table.c.ip, table.c.action)
        found = [column.icontains(wanted.text, autoescape=True) for column in columns]
        found.append(cast(table.c.facts, String).icontains(in_json, autoescape=True))
        said = [action for action in Action if wanted.text.casefold() in action.sentence.casefold()]
        where.append(or_(*found, table.c.action.in_(said), table.c.actor.in_(wanted.text_actors)))
    return where
