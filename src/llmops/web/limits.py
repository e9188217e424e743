"""Rate limits, counted in the database that all replicas share, before the expensive work is done (PWD-06)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from sqlalchemy import Integer, bindparam, delete, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base.sealing import Sealer
from llmops.db.tables import Base, Db
from llmops.errors import TooManyAttempts
from llmops.web.request import Request


class Counter(Base):
    """How often something happened in one window of time. The key is a keyed hash: no address is kept in clear."""

    __tablename__ = "rate_counters"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    ends_at: Mapped[datetime] = mapped_column(index=True)


def _hit(insert: Any) -> Any:
    """INSERT, or add one to the count that is there. Both databases have it, SQLAlchemy spells it for each."""
    counted = insert(Counter.table()).on_conflict_do_update(
        index_elements=[Counter.table().c.key], set_={"count": Counter.table().c.count + 1}
    )
    return counted.returning(Counter.table().c.count)


_TAKE_BACK = (
    update(Counter.table())
    .where(Counter.table().c.key == bindparam("taken"), Counter.table().c.count > 0)
    .values(count=Counter.table().c.count - 1)
)
_HITS = {"postgresql": _hit(postgresql_insert), "sqlite": _hit(sqlite_insert)}


@dataclass(frozen=True)
class Limit:
    """At most so many attempts of a subject in a scope, in one window of time."""

    scope: str
    subject: str
    most: int
    window_seconds: int


def check(r: Request, scope: str, subject: str, *, most: int, window_seconds: int) -> None:
    """Count one attempt of `subject` in `scope`, at most `most` in a window. Raises: TooManyAttempts."""
    check_all(r, [Limit(scope, subject, most, window_seconds)])


def check_all(r: Request, limits: Sequence[Limit]) -> None:
    """Count one attempt by each of these, in their order; one that is over ends it. Raises: TooManyAttempts."""
    over = None
    with r.aside() as db:
        for limit in limits:
            seen = hit(db, r.sealer, limit.scope, limit.subject, window_seconds=limit.window_seconds, now=r.now)
            if seen > limit.most:
                over = limit, seen
                break
    if over is not None:
        limit, seen = over
        r.site.metrics.limited(limit.scope)
        left = limit.window_seconds - int(r.now.timestamp()) % limit.window_seconds
        raise TooManyAttempts(scope=limit.scope, seen=seen, expected=limit.most, retry_after_seconds=left)


def hit(db: Db, sealer: Sealer, scope: str, subject: str, *, window_seconds: int, now: datetime) -> int:
    """Count one and give the sum of this window. Windows follow each other by the clock, the same for everybody."""
    key = _key(sealer, scope, subject, window_seconds, now)
    values = {"key": key, "count": 1, "ends_at": now + timedelta(seconds=window_seconds)}
    return int(db.execute(_HITS[db.dialect.name], values).scalar_one())


def take_back(db: Db, sealer: Sealer, limits: Sequence[Limit], *, now: datetime) -> None:
    """Of what this window counted by each of these, in their order, one ended well and counts no more."""
    keys = (_key(sealer, limit.scope, limit.subject, limit.window_seconds, now) for limit in limits)
    db.execute(_TAKE_BACK, [{"taken": key} for key in keys])


def _key(sealer: Sealer, scope: str, subject: str, window_seconds: int, now: datetime) -> str:
    window = int(now.timestamp()) // window_seconds
    return sealer.hashed("limit", f"{scope}\0{subject}\0{window}")


def address_block(ip: str) -> str:
    """What one attacker holds: an IPv4 address, or the /64 around an IPv6 address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return "unknown"
    return str(ip_network(f"{ip}/64", strict=False)) if isinstance(address, IPv6Address) else ip


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete counters whose window is over."""
    db.execute(delete(Counter).where(Counter.ends_at < now))
