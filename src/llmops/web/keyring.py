"""The ring of keys that encrypt session cookies: one encrypts, several decrypt (SES-03).

Each process keeps the ring for a few seconds and reads it again on a key id it does not know, so that a rotation on
one replica is followed by all without a sign-out.
"""

import base64
import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer
from llmops.db.engine import Database
from llmops.db.tables import Base, Db, many

KEY_BYTES = 32
_FRESH_SECONDS = 30
_LEAST_PAUSE_SECONDS = 2


class CookieKey(Base):
    """One key. `retired_at` is when it stopped encrypting; `dead_at` when it stops decrypting."""

    __tablename__ = "cookie_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[str]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]


@dataclass(frozen=True)
class _Ring:
    current: str
    keys: dict[str, bytes]
    read_at: datetime


@dataclass
class Keyring:
    """The keys of one process, as it last read them."""

    database: Database
    sealer: Sealer
    _ring: _Ring | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def current(self, now: datetime) -> tuple[str, bytes]:
        """The id and the 32 bytes of the key that encrypts. Makes the first key of a new installation."""
        ring = self._fresh(now, _FRESH_SECONDS)
        return ring.current, ring.keys[ring.current]

    def find(self, key_id: str, now: datetime) -> bytes | None:
        """The 32 bytes of a key that may decrypt, or None."""
        key = self._fresh(now, _FRESH_SECONDS).keys.get(key_id)
        return key or self._fresh(now, _LEAST_PAUSE_SECONDS).keys.get(key_id)

    def forget(self) -> None:
        """Read the ring again on the next use."""
        self._ring = None

    def _fresh(self, now: datetime, seconds: int) -> _Ring:
        ring = self._ring
        if ring is None or abs((now - ring.read_at).total_seconds()) > seconds:
            with self._lock:
                ring = self._ring = self._read(now)
        return ring

    def _read(self, now: datetime) -> _Ring:
        with self.database.reading() as db:
            rows = _alive(db, now)
        if not rows:
            with self.database.writing() as db:
                rows = _alive(db, now)
                if not rows:
                    rotate(db, self.sealer, now=now, overlap=timedelta(0))
                    rows = _alive(db, now)
        keys = {row.id: base64.b64decode(self.sealer.unseal(row.sealed, place=_place(row.id))) for row in rows}
        return _Ring(current=rows[0].id, keys=keys, read_at=now)


def rotate(db: Db, sealer: Sealer, *, now: datetime, overlap: timedelta) -> str:
    """Make a new key that encrypts from now on; the others still decrypt for `overlap`. Returns its id."""
    key_id = ids.new("key")
    sealed = sealer.seal(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(), place=_place(key_id))
    table = CookieKey.table()
    db.execute(update(table).where(table.c.retired_at.is_(None)).values(retired_at=now, dead_at=now + overlap))
    db.execute(insert(table).values(id=key_id, sealed=sealed, created_at=now, retired_at=None, dead_at=None))
    return key_id


def withdraw(db: Db, *, now: datetime) -> None:
    """Every key is dead from now on: whoever holds a cookie is signed out. `rotate` makes the next one."""
    table = CookieKey.table()
    db.execute(update(table).where(table.c.dead_at.is_(None) | (table.c.dead_at > now)).values(dead_at=now))


def reseal(db: Db, sealer: Sealer) -> int:
    """Seal every cookie key with the current secret key, so that an old secret can be taken away. Returns how many."""
    table = CookieKey.table()
    rows = db.execute(select(table.c.id, table.c.sealed)).all()
    for key_id, sealed in rows:
        fresh = sealer.seal(sealer.unseal(sealed, place=_place(key_id)), place=_place(key_id))
        db.execute(update(table).where(table.c.id == key_id).values(sealed=fresh))
    return len(rows)


def made_at(db: Db) -> datetime | None:
    """When the key that encrypts now was made; None before the first."""
    return db.execute(select(CookieKey.created_at).where(CookieKey.retired_at.is_(None))).scalars().first()


def _alive(db: Db, now: datetime) -> list[CookieKey]:
    """The keys that may decrypt; the one that encrypts comes first."""
    alive = CookieKey.dead_at.is_(None) | (CookieKey.dead_at > now)
    rows = many(db, CookieKey, CookieKey.rows().where(alive))
    return sorted(rows, key=lambda row: (row.retired_at is None, row.created_at), reverse=True)


def _place(key_id: str) -> str:
    return f"cookie_keys.sealed:{key_id}"
