"""What runs by the clock: each task's last run and last success, and a lease so that of two replicas one does it."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base, Db, change, find, many

LEASE = timedelta(minutes=10)
"""How long a task may take before another replica believes that its worker died."""
_FIRST_PAUSE_SECONDS = 60


class Task(Base):
    """One task that runs by the clock."""

    __tablename__ = "scheduled_tasks"

    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    failures: Mapped[int]  # in a row
    last_error: Mapped[str | None]


@dataclass(frozen=True)
class Routine:
    """What is done under a task's name, and how often. `run` opens its own transactions and calls no server.

    Calls to other servers are queued by it as jobs, one for each, so that none holds up the rest. `jitter` is added
    to `every` at random, so that replicas and customers' servers do not all meet at one moment.
    """

    name: str
    every: timedelta
    run: Callable[[datetime], None]
    jitter: timedelta = timedelta(0)


def due(db: Db, routines: Sequence[Routine], *, now: datetime) -> Sequence[Routine]:
    """The routines whose time has come and that nobody is at; a new one is due at once."""
    known = {task.name: task for task in listed(db)}
    return [routine for routine in routines if _is_free(known.get(routine.name), now)]


def lease(db: Db, routine: Routine, *, now: datetime) -> bool:
    """Take a routine that is due, for LEASE. False when another worker was faster."""
    table = Task.table()
    db.execute(_ADD[db.dialect.name], {"name": routine.name, "due_at": now, "failures": 0})
    free = table.c.leased_until.is_(None) | (table.c.leased_until < now)
    mine = update(table).where(table.c.name == routine.name, table.c.due_at <= now, free)
    return db.execute(mine.values(leased_until=now + LEASE, started_at=now)).rowcount == 1


def succeeded(db: Db, routine: Routine, *, now: datetime) -> None:
    """It is done; due again after its period."""
    jitter = timedelta(seconds=secrets.randbelow(int(routine.jitter.total_seconds()) + 1))
    due_at = now + routine.every + jitter
    change(db, Task, {"name": routine.name}, due_at=due_at, leased_until=None, succeeded_at=now, failures=0)


def failed(db: Db, routine: Routine, *, error: str, now: datetime) -> None:
    """Try again later, ever more slowly (a minute, two, four, …), but never later than it would be due anyway."""
    task = find(db, Task, name=routine.name)
    failures = (task.failures if task else 0) + 1
    pause = min(routine.every, timedelta(seconds=_FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 20)))
    values = {"due_at": now + pause, "leased_until": None, "failures": failures, "last_error": error[:500]}
    change(db, Task, {"name": routine.name}, **values)


def listed(db: Db) -> Sequence[Task]:
    """Every task that a worker ever saw, by name."""
    return many(db, Task, Task.rows().order_by(Task.name))


def is_stale(task: Task, every: timedelta, *, now: datetime) -> bool:
    """Whether it should have succeeded long ago: two periods and an hour after the last time, or after it was due."""
    if task.succeeded_at is None:
        return now - task.due_at > timedelta(hours=1) or task.failures >= 3
    return now - task.succeeded_at > 2 * every + timedelta(hours=1)


def _is_free(task: Task | None, now: datetime) -> bool:
    return task is None or (task.due_at <= now and (task.leased_until is None or task.leased_until < now))


def _add(insert: Any) -> Any:
    return insert(Task.table()).on_conflict_do_nothing()


_ADD = {"postgresql": _add(postgresql_insert), "sqlite": _add(sqlite_insert)}
