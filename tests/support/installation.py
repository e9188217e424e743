"""The product as an operator installs it: a folder, settings, a database, and the command line as its only tool."""

import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from llmops.audit.log import Entry
from llmops.db.engine import Database, connect
from support.mailbox import Mailbox
from support.ports import free_port
from support.postgres import Postgres
from support.server import INHERITED, Server, running

# Loading the program takes a second or two, and a test gives many commands: so one process loads it, and every
# command is a fork of that. That `python -m llmops` is the same is seen in tests/cli.
_LOADED = multiprocessing.get_context("forkserver")
_LOADED.set_forkserver_preload(["llmops.cli.main"])


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """Its answer, where `--json` was asked for."""
        return json.loads(self.out)

    @property
    def failure(self) -> dict[str, Any]:
        """The failure that it printed on standard error."""
        found: dict[str, Any] = json.loads(self.err)
        return found


@dataclass(frozen=True)
class Installation:
    """One installation on this machine; `port` is where its server listens once it runs."""

    folder: Path
    port: int
    database_url: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its public address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Every setting of ours that is not the default."""
        return {
            "LLMOPS_BASE_URL": self.url,
            "LLMOPS_DATA_DIR": str(self.folder),
            "LLMOPS_DATABASE_URL": self.database_url,
            **self.more,
        }

    def llmops(self, *arguments: str, typed: str = "", expected_status: int = 0) -> Ran:
        """Run one command in a process of its own. Raises: AssertionError, when it ends with another status."""
        stdin, stdout, stderr = (self.folder / f"command.{name}" for name in ("stdin", "stdout", "stderr"))
        stdin.write_text(typed)
        process = _LOADED.Process(target=_command, args=(arguments, self.environment, (stdin, stdout, stderr)))
        process.start()
        process.join(60)
        ran = Ran(-1 if process.exitcode is None else process.exitcode, stdout.read_text(), stderr.read_text())
        process.close()
        assert ran.status == expected_status, f"llmops {' '.join(arguments)}: {ran}"
        return ran

    def told(self, *arguments: str, typed: str = "") -> Any:
        """What a command answers in JSON."""
        return self.llmops(*arguments, "--json", typed=typed).told

    def file(self, name: str, content: str | bytes) -> str:
        """The path of a new file for an option that wants one."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Its database, for the length of the block."""
        opened = connect(self.database_url)
        try:
            yield opened
        finally:
            opened.close()

    def sql(self, statement: str, **values: object) -> None:
        """Change what no page or command changes."""
        with self.database() as database, database.writing() as db:
            db.execute(text(statement), values)

    def value(self, query: str, **values: object) -> Any:
        """One value from the database."""
        with self.database() as database, database.reading() as db:
            return db.execute(text(query), values).scalar_one()

    def recorded(self, target: str) -> list[str]:
        """The actions that the audit log tells of something, in order."""
        query = select(Entry.action).where(Entry.target == target).order_by(Entry.number)
        with self.database() as database, database.reading() as db:
            return [str(action) for action in db.execute(query).scalars()]

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Its server, for the length of the block. Raises: AssertionError, when a request met a fault of ours."""
        log_file = self.folder / "server.log"
        with running(self.environment, log_file=log_file, port=self.port) as server:
            yield server
        faults = [line for line in server.log.splitlines() if '"unexpected"' in line or "Traceback" in line]
        assert not faults, f"the server had faults: {faults}"


def _command(arguments: Sequence[str], environment: Mapping[str, str], streams: Sequence[Path]) -> None:
    """Be `llmops` with these arguments. Ends the process."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    os.environ.clear()
    os.environ.update(inherited | dict(environment))
    sys.argv = ["llmops", *arguments]
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
    sys.stdin = open(0)  # multiprocessing gave it an empty one
    from llmops.cli.main import main  # noqa: PLC0415 (this process has it loaded; the tests' need not)

    main()


@contextmanager
def installed(
    folder: Path, postgresql: Postgres | None, template: str | Path, *, mailbox: Mailbox | None = None, **more: str
) -> Iterator[Installation]:
    """A new installation on a migrated database of its own, a copy of `template` (see tests/conftest.py)."""
    folder.mkdir(parents=True, exist_ok=True)
    if mailbox is not None:
        smtp = {"HOST": mailbox.host, "PORT": str(mailbox.port), "SECURITY": "none"}
        more |= {f"LLMOPS_SMTP__{name}": value for name, value in smtp.items()}
    with ExitStack() as stack:
        if postgresql is None:
            shutil.copyfile(template, folder / "llmops.sqlite3")
            url = f"sqlite:///{folder / 'llmops.sqlite3'}"
        else:
            url = stack.enter_context(postgresql.migrated(str(template)))
        yield Installation(folder, free_port(), url, more)
