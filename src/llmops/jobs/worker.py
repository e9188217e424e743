"""Does what is in the queue, in a thread of the server. Several replicas may each have one."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from llmops.base.clock import Clock
from llmops.base.sealing import Sealer
from llmops.db.engine import Database
from llmops.db.tables import Db
from llmops.jobs import queue

log = structlog.stdlib.get_logger("llmops.jobs")

Handler = Callable[[str], None]
"""Does one job, given its payload; raising means: try again later. It may run twice if the worker dies after it."""

_PAUSE_SECONDS = 1.0
_SWEEP_SECONDS = 600


@dataclass
class Worker:
    """One worker. `sweeps` are called every ten minutes to delete what is over."""

    database: Database
    sealer: Sealer
    clock: Clock
    handlers: Mapping[str, Handler]
    sweeps: Sequence[Callable[[Db, datetime], None]] = ()
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin, in a thread that ends with `stop`."""
        self._thread = threading.Thread(target=self._run, name="llmops-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the job at hand and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def work_once(self) -> int:
        """Do every job that is due now. Returns how many were tried."""
        tried = 0
        while (job := self._next()) is not None:
            self._do(job)
            tried += 1
        return tried

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

    def _run(self) -> None:
        swept_at: datetime | None = None
        while not self._stop.is_set():
            try:
                self.work_once()
                now = self.clock()
                if swept_at is None or (now - swept_at).total_seconds() > _SWEEP_SECONDS:
                    swept_at = now
                    self._sweep(now)
            except Exception:  # the database may be away for a while; the worker waits for it
                log.exception("worker")
            self._stop.wait(_PAUSE_SECONDS)

    def _sweep(self, now: datetime) -> None:
        for sweep in self.sweeps:
            with self.database.writing() as db:
                sweep(db, now)
