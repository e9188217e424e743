"""Processor time, of this process and of others, and what a figure is.

Processor time, not the clock on the wall: other programs on the machine then disturb far less. They still share its
caches, so a figure is worth most beside its floor, which is measured in turns with it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of the report. `floor` is the least that any program would need for the same, in the same unit."""

    name: str
    unit: str
    target: float
    measured: float
    floor: float
    floor_is: str

    @property
    def ratio(self) -> float:
        """How many times its floor it is."""
        return self.measured / self.floor

    @property
    def verdict(self) -> str:
        """Whether the target is met, and by how much it is missed."""
        if self.measured <= self.target:
            return "met"
        return f"missed by {100 * (self.measured / self.target - 1):.0f} %"


def process_ms(pid: int) -> float:
    """The processor time that a process has used so far, all threads, in milliseconds.

    Source: clock_getcpuclockid(3), whose number Python does not give; Linux makes it from the process id like this.
    """
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e6


def resident_mib(pid: int) -> float:
    """The memory of a process that is in RAM, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def in_turns(*works: Callable[[], object], rounds: int = 15, times: int = 20) -> list[float]:
    """Milliseconds of this process for one call of each: the median of the rounds, which take turns."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, times_taken in zip(works, taken, strict=True):
            began = time.process_time_ns()
            for _ in range(times):
                work()
            times_taken.append((time.process_time_ns() - began) / 1e6 / times)
    return [median(times_taken) for times_taken in taken]
