"""Does what is in the queue and what is due by the clock, in a thread of the server or of `llmops work`.

Several replicas may each have one: leases in the database keep them from doing the same thing twice.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from llmops.base.clock import Clock
from llmops.base.sealing import Sealer
from llmops.db.engine import Database
from llmops.jobs import queue, schedule
from llmops.jobs.schedule import Routine

log = structlog.stdlib.get_logger("llmops.jobs")

Handler = Callable[[str], None]
"""Does one job, given its payload; raising means: try again later. It may run twice if the worker dies after it.

No transaction is open around it: it may wait for somebody's server.
"""

_PAUSE_SECONDS = 1.0
_STOP_SECONDS = 30.0


@dataclass
class Worker:
    """One worker: `handlers` by the kind of job, `routines` by the clock."""

    database: Database
    sealer: Sealer
    clock: Clock
    handlers: Mapping[str, Handler]
    routines: Sequence[Routine] = ()
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin, in a thread that ends with `stop`."""
        self._thread = threading.Thread(target=self._run, name="llmops-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the job at hand, leave the rest, and end; after 30 seconds the job is left to its lease."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=_STOP_SECONDS)

    def work_once(self) -> int:
        """Do every job that is due now. Returns how many were tried."""
        tried = 0
        while not self._stop.is_set() and (job := self._next()) is not None:
            self._do(job)
            tried += 1
        return tried

    def run_due(self) -> list[str]:
        """Do every task whose time has come. Returns their names."""
        with self.database.reading() as db:
            due = schedule.due(db, self.routines, now=self.clock())
        return [routine.name for routine in due if not self._stop.is_set() and self._run_one(routine)]

    def _next(self) -> queue.Job | None:
        """Lease one job only: in a batch, the lease of the last would run out while a slow relay held up the first."""
        with self.database.writing() as db:
            return queue.lease(db, now=self.clock())

    def _do(self, job: queue.Job) -> None:
        try:
            self.handlers[job.kind](self.sealer.unseal(job.payload, place=queue.place(job.id)))
        except Exception as error:  # whatever goes wrong in a job is a reason to try it again, not to end the worker
            log.warning("job failed", kind=job.kind, job=job.id, attempt=job.attempts, error=type(error).__name__)
            with self.database.writing() as db:
                queue.failed(db, job, error=f"{type(error).__name__}: {error}", now=self.clock())
        else:
            with self.database.writing() as db:
                queue.done(db, job.id, now=self.clock())

    def _run_one(self, routine: Routine) -> bool:
        """Run it, unless another worker took it first. Returns whether it was ours."""
        with self.database.writing() as db:
            if not schedule.lease(db, routine, now=self.clock()):
                return False
        try:
            routine.run(self.clock())
        except Exception as error:  # as in _do: the next task must have its turn, and this one another
            log.warning("task failed", task=routine.name, error=type(error).__name__)
            with self.database.writing() as db:
                schedule.failed(db, routine, error=f"{type(error).__name__}: {error}", now=self.clock())
        else:
            with self.database.writing() as db:
                schedule.succeeded(db, routine, now=self.clock())
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.run_due()
                self.work_once()
            except Exception:  # the database may be away for a while; the worker waits for it
                log.exception("worker")
            self._stop.wait(_PAUSE_SECONDS)
