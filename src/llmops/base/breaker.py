"""Cut off who lets us wait in vain: after several time-outs in a row nobody is asked for a while, then one call tries.

Kept in the memory of one process. That suffices: it is this process's threads that would wait, and another replica may
still reach what this one cannot.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from llmops.base.clock import Clock
from llmops.errors import OutboundUnreachable

MOST_TIMEOUTS = 5
CUT_OFF = timedelta(seconds=30)
MOST_KEPT = 1_000
"""Who is remembered at most, the latest to time out. Only those are remembered whose last call did."""


@dataclass
class _Record:
    """Time-outs without anything better since, until when nobody is asked, and whether one call is trying again."""

    timeouts: int = 0
    until: datetime | None = None
    trying: bool = False


class Breaker:
    """Guards calls by a key, such as a connection's id and an address. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    @contextmanager
    def call(self, key: str) -> Iterator[None]:
        """Make one call in the block. Whatever is not a time-out, refusals too, ends the row: somebody answered.

        Raises: OutboundUnreachable, at once while the key is cut off, with `retry_after_seconds`.
        """
        self._require_open(key)
        timed_out = False
        try:
            yield
        except OutboundUnreachable as failure:
            timed_out = failure.facts.get("reason") == "timeout"
            raise
        finally:
            self._note(key, timed_out=timed_out)

    def _require_open(self, key: str) -> None:
        with self._lock:
            record = self._records.get(key)
            if record is None or record.until is None:
                return
            left = (record.until - self._clock()).total_seconds()
            if left > 0 or record.trying:
                raise OutboundUnreachable(reason="cut-off", retry_after_seconds=max(1, round(left)))
            record.trying = True

    def _note(self, key: str, *, timed_out: bool) -> None:
        with self._lock:
            if not timed_out:
                self._records.pop(key, None)
                return
            record = self._records.setdefault(key, _Record())
            self._records.move_to_end(key)
            record.timeouts, record.trying = record.timeouts + 1, False
            if record.timeouts >= MOST_TIMEOUTS:
                record.until = self._clock() + CUT_OFF
            while len(self._records) > MOST_KEPT:
                self._records.popitem(last=False)
