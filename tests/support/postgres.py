"""One real PostgreSQL 18 for a test session, and a fresh database in it for whoever asks."""

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from support.ports import free_port

PROGRAM = Path(__file__).parents[1] / "idps" / "postgres" / "pg.py"


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    work: Path
    numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    def url(self, database: str) -> str:
        """The SQLAlchemy address of a database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def fresh(self, *, template: str = "template1", name: str = "") -> str:
        """Make a database and return its address.

        It is a copy of the database `template`, to which nobody may be connected. So migrate once into a
        database with a `name`, dispose of its engine, and name it as the template for every test.
        """
        name = name or f"test_{next(self.numbers)}"
        self._do("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop the database of an address that `fresh` gave; connections to it are closed."""
        self._do("DROP DATABASE {} WITH (FORCE)", url.rsplit("/", 1)[1])

    def _do(self, statement: str, *names: str) -> None:
        address = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server on a free port, gone with its data at the end."""
    with tempfile.TemporaryDirectory(prefix="llmops-postgres-") as folder:
        server = Postgres(free_port(), Path(folder))
        environment = {**os.environ, "PORT": str(server.port), "WORK": folder}
        command = [sys.executable, str(PROGRAM)]
        subprocess.run([*command, "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            yield server
        finally:
            subprocess.run([*command, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)
