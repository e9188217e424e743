"""A table of things to do later. Written in the transaction that wants them done, so neither happens alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer
from llmops.db.tables import Base, Db, one

LEASE_SECONDS = 120
MOST_ATTEMPTS = 12
_KEPT_DAYS = 14


class Job(Base):
    """One thing to do. `payload` is sealed: letters hold links. `leased_until` is set while somebody works on it."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    payload: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)
    attempts: Mapped[int]
    leased_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


@dataclass(frozen=True)
class Depth:
    """How full the queue is: jobs that wait, dead letters, and since when the longest-waiting one has been due."""

    waiting: int
    dead: int
    due_since: datetime | None


def put(db: Db, sealer: Sealer, *, kind: str, payload: str, now: datetime, wait: timedelta = timedelta(0)) -> str:
    """Queue a job of `kind` with a text payload, due after `wait`. Returns its id."""
    job_id = ids.new("job")
    db.execute(
        insert(Job).values(
            id=job_id,
            kind=kind,
            payload=sealer.seal(payload, place=place(job_id)),
            created_at=now,
            due_at=now + wait,
            attempts=0,
        )
    )
    return job_id


def lease(db: Db, *, now: datetime) -> Job | None:
    """Take the job that is due longest, for LEASE_SECONDS; nobody else gets it meanwhile.

    A worker that dies loses its lease.
    """
    table = Job.table()
    free = table.c.leased_until.is_(None) | (table.c.leased_until < now)
    due = select(table.c.id).where(table.c.done_at.is_(None), table.c.dead_at.is_(None), table.c.due_at <= now, free)
    chosen = db.execute(due.order_by(table.c.due_at).limit(1).with_for_update(skip_locked=True)).scalar()
    if chosen is None:
        return None
    db.execute(
        update(table)
        .where(table.c.id == chosen)
        .values(leased_until=now + timedelta(seconds=LEASE_SECONDS), attempts=table.c.attempts + 1)
    )
    return one(db, Job, Job.rows().where(table.c.id == chosen))


def done(db: Db, job_id: str, *, now: datetime) -> None:
    """The job is finished; its payload is no longer needed."""
    db.execute(update(Job).where(Job.id == job_id).values(done_at=now, leased_until=None, payload=""))


def failed(db: Db, job: Job, *, error: str, now: datetime) -> None:
    """Try again later, ever more slowly (15 s, 30 s, … at most an hour); after MOST_ATTEMPTS it is a dead letter."""
    pause = timedelta(seconds=min(3600, 15 * 2 ** (job.attempts - 1)))
    dead_at = now if job.attempts >= MOST_ATTEMPTS else None
    db.execute(
        update(Job)
        .where(Job.id == job.id)
        .values(due_at=now + pause, leased_until=None, dead_at=dead_at, last_error=error[:500])
    )


def depth(db: Db) -> Depth:
    """How full the queue is."""
    table = Job.table()
    open_ones = (table.c.done_at.is_(None), table.c.dead_at.is_(None))
    waiting, since = db.execute(select(func.count(), func.min(table.c.due_at)).where(*open_ones)).one()
    dead = db.execute(select(func.count()).where(table.c.dead_at.is_not(None))).scalar_one()
    return Depth(waiting, dead, since)


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete jobs that were done long ago. Dead letters stay until somebody looks at them."""
    db.execute(delete(Job).where(Job.done_at < now - timedelta(days=_KEPT_DAYS)))


def place(job_id: str) -> str:
    """Where a job's payload is sealed for."""
    return f"jobs.payload:{job_id}"
