"""The product as an operator runs it: a process of its own, spoken to over HTTP."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from support.ports import free_port

__all__ = ["Server", "free_port", "running", "start"]

PRODUCT = (sys.executable, "-m", "llmops", "serve", "--host", "127.0.0.1", "--port", "{port}")
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
)  # nothing else of the developer's environment may change a test


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        """All it wrote so far, standard output and errors."""
        return self.log_file.read_text(errors="replace")

    def stop(self, *, within_seconds: float = 15) -> int:
        """Ask it to stop as an operator would (SIGTERM) and return its exit status.

        Raises: subprocess.TimeoutExpired when it does not; it is killed then.
        """
        self.process.terminate()
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()


def start(
    environment: Mapping[str, str],
    *,
    log_file: Path,
    port: int | None = None,
    command: Sequence[str] = PRODUCT,
    within_seconds: float = 30,
) -> Server:
    """Start it and wait until GET /healthz answers 200. `{port}` in the command is replaced.

    Raises: AssertionError with the log's end, when it ends or does not answer in time.
    """
    port = port or free_port()
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            env={**inherited, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log_file)
    until = time.monotonic() + within_seconds
    while time.monotonic() < until and process.poll() is None:
        if _answers(server.url + "/healthz"):
            return server
        time.sleep(0.05)
    state = "did not answer in time" if process.poll() is None else f"ended with {process.returncode}"
    server.kill()
    raise AssertionError(f"the server {state}\n{server.log[-4000:]}")


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def running(
    environment: Mapping[str, str],
    *,
    log_file: Path,
    port: int | None = None,
    command: Sequence[str] = PRODUCT,
) -> Iterator[Server]:
    """A server for the length of the block."""
    server = start(environment, log_file=log_file, port=port, command=command)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
