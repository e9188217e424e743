"""The programs that the demo starts: each in a process of its own, none outlives the demo (see `tied.py`)."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from llmops.errors import DemoProgramFailed, PortTaken

HOST = "127.0.0.1"
_STOP_SECONDS = 6


@dataclass(frozen=True)
class Child:
    """One running program; what it says is in `log_file`."""

    name: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def running(self) -> bool:
        """Has it not ended?"""
        return self.process.poll() is None

    def wait_until_ready(self, url: str, *, within_seconds: float = 60) -> None:
        """Return when it answers at `url` with 200. Raises: DemoProgramFailed."""
        until = time.monotonic() + within_seconds
        with httpx2.Client(trust_env=False, timeout=2) as client:
            while self.running and time.monotonic() < until:
                with suppress(httpx2.TransportError):
                    if client.get(url).status_code == 200:
                        return
                time.sleep(0.05)
        raise self.failure()

    def failure(self) -> DemoProgramFailed:
        """What to say when it is not running as it should."""
        state = "did not answer in time" if self.running else f"ended with status {self.process.returncode}"
        return DemoProgramFailed(program=self.name, state=state, log=self.log_file.read_text(errors="replace")[-500:])

    def stop(self) -> None:
        """End it and whatever it started: politely, then not."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal_number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
                return


def start(name: str, module: str, *arguments: str, environment: Mapping[str, str], folder: Path) -> Child:
    """Run a module as a program. It gets a session of its own, so that Ctrl-C reaches only the demo."""
    log_file = folder / f"{name.replace(' ', '-')}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 (our own modules, no shell)
            [sys.executable, "-P", "-m", "llmops.cli.demo.tied", module, *arguments],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    return Child(name, process, log_file)


def require_free(port: int) -> None:
    """Raises: PortTaken."""
    if not _is_free(port):
        raise PortTaken(seen=f"{HOST}:{port}")


def free_port(preferred: int = 0) -> int:
    """The preferred port, or any other when that is taken or 0."""
    if preferred and _is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that just closed do not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
