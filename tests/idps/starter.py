"""What the three starters share: their variables, a private environment per identity provider, start and stop.

Standard library only, because a starter runs before anything is installed.

Common variables: `PORT`, `HOST` (127.0.0.1), `BASE_URL` (`http://localhost:$PORT`), `WORK` (the folder of one running
provider), `VENV`, `READY_TRIES` (half seconds).
"""

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
variable = os.environ.get


def flag(name: str, default: str = "0") -> bool:
    """Is the variable set to 1?"""
    return variable(name, default) == "1"


def listed(name: str, default: str = "") -> list[str]:
    """The comma-separated values of a variable."""
    return [value for value in variable(name, default).split(",") if value]


def from_json_file(name: str):
    """What the JSON file named by a variable holds, or None."""
    return json.loads(Path(os.environ[name]).read_text()) if variable(name) else None


@dataclass(frozen=True)
class Place:
    """Where one provider listens and keeps its files."""

    name: str
    host: str
    port: int
    base: str
    work: Path

    @property
    def pid_file(self) -> Path:
        return self.work / "pid"

    @property
    def log_file(self) -> Path:
        return self.work / "server.log"


def place(name: str, *, port: int) -> Place:
    """The place that the variables name; `port` is the default port."""
    port = int(variable("PORT", str(port)))
    work = variable("WORK") or os.path.join(tempfile.gettempdir(), "idps", f"{name}-{port}")
    base = variable("BASE_URL", f"http://localhost:{port}").rstrip("/")
    found = Place(name, variable("HOST", "127.0.0.1"), port, base, Path(work).absolute())
    found.work.mkdir(parents=True, exist_ok=True)
    return found


def environment(name: str) -> Path:
    """The folder of programs of this provider's own virtual environment, made when it is missing or out of date.

    Packages are those of `requirements/idps-<name>.txt`, by hash. `<NAME>_REQ` (pip arguments) takes others instead.
    Two processes that ask at once wait for each other.
    """
    folder = Path(variable("VENV") or PROJECT / ".venv" / "idps" / name).absolute()
    pinned = PROJECT / "requirements" / f"idps-{name}.txt"
    others = variable(f"{name.upper()}_REQ", "").split()
    wanted = others or ["--require-hashes", "--no-deps", "-r", str(pinned)]
    mark = " ".join(others) or hashlib.sha256(pinned.read_bytes()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "made"
        if not made.exists() or made.read_text() != mark:
            venv.create(folder, with_pip=True)
            pip = [folder / "bin" / "pip", "install", "-qq", "--disable-pip-version-check"]
            subprocess.run([*pip, *wanted], check=True, stdout=sys.stderr)
            made.write_text(mark)
    return folder / "bin"


def stop(at: Place) -> None:
    """Stop what an earlier start left in this place; nothing happens when nothing runs."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(at.pid_file.read_text())
        if at.name in Path(f"/proc/{pid}/cmdline").read_text():  # the number may belong to another program by now
            os.killpg(pid, signal.SIGTERM)
            for _ in range(100):
                if not Path(f"/proc/{pid}").exists():
                    break
                time.sleep(0.1)
        at.pid_file.unlink()


def start(at: Place, command: list[str | Path], *, probe: str, expected: bytes, **variables: str) -> subprocess.Popen:
    """Start the server in its own process group and wait until GET `probe` holds `expected`."""
    with at.log_file.open("w") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=at.work,
            env={**os.environ, **variables},
            start_new_session=True,
        )
    at.pid_file.write_text(str(process.pid))
    for _ in range(int(variable("READY_TRIES", "60"))):
        with contextlib.suppress(OSError), urllib.request.urlopen(probe, timeout=5) as answer:
            if expected in answer.read():
                return process
        if process.poll() is not None:
            sys.exit(f"{at.name} died\n{at.log_file.read_text()[-3000:]}")
        time.sleep(0.5)
    stop(at)
    sys.exit(f"{at.name} was not ready in time\n{at.log_file.read_text()[-3000:]}")


def announce(at: Place, process: subprocess.Popen, **facts: object) -> None:
    """Print the facts that a test needs, as one JSON object, and keep them in `ready.json`; with --fg stay until the end."""
    ready = {"name": at.name, "pid": process.pid, "work": str(at.work), **facts}
    text = json.dumps(ready, indent=1)
    (at.work / "ready.json").write_text(text)
    print(text, flush=True)
    if "--fg" in sys.argv[1:]:
        try:
            process.wait()
        finally:
            stop(at)
