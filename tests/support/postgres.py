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
from typing import Any

import psycopg
from psycopg import sql

from support.ports import free_port

_COLUMNS = """
SELECT c.relname, a.attname, a.atttypid, a.attnotnull FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum"""
_SEND_AWAY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
PROGRAM = Path(__file__).parents[1] / "idps" / "postgres" / "pg.py"


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    work: Path
    numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)
    empty: dict[str, list[str]] = field(default_factory=dict, repr=False)
    states: dict[str, dict[str, list[Any]]] = field(default_factory=dict, repr=False)

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

    @contextmanager
    def migrated(self, template: str) -> Iterator[str]:
        """The address of a database with the schema and the rows of `template`, for the length of the block.

        It may have served another test: to take that one's rows out takes a hundredth of a second, to copy and drop a
        database a quarter, most of it a checkpoint. One whose schema the block changed is dropped, and one whose rows
        of the template it changed: the number of its migration.
        """
        waiting = self.empty.setdefault(template, [])
        url = waiting.pop() if waiting else self.fresh(template=template)
        if template not in self.states:
            with self._open(url) as connection:
                self.states[template] = _state(connection)
        yield url
        if self._emptied(url, self.states[template]):
            waiting.append(url)
        else:
            self.drop(url)

    def _emptied(self, url: str, state: dict[str, list[Any]]) -> bool:
        """Whether the database is in this state once the rows of the other tables are gone, and who was connected."""
        with self._open(url) as connection:
            connection.execute(_SEND_AWAY)
            connection.execute("SET session_replication_role = replica")  # in any order, whatever refers to what
            if used := [sql.Identifier(table) for table in _state(connection) if table not in state]:
                connection.execute(sql.SQL(";").join(sql.SQL("DELETE FROM {}").format(table) for table in used))
                # else rows of the same time come back in another order than they were written in
                vacuum = "VACUUM (INDEX_CLEANUP ON, SKIP_DATABASE_STATS) {}"
                connection.execute(sql.SQL(vacuum).format(sql.SQL(", ").join(used)))
            return _state(connection) == state

    def drop(self, url: str) -> None:
        """Drop the database of an address that `fresh` gave; connections to it are closed."""
        self._do("DROP DATABASE {} WITH (FORCE)", url.rsplit("/", 1)[1])

    def _open(self, url: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)

    def _do(self, statement: str, *names: str) -> None:
        with self._open(self.url("postgres")) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _state(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """The columns of all tables, under an empty name, and of each table that has some its rows."""
    columns = connection.execute(_COLUMNS).fetchall()
    found = {"": columns}
    tables = dict.fromkeys(table for table, *_ in columns)
    select = "SELECT {0}, (SELECT json_agg(one) FROM {1} one)"
    parts = [sql.SQL(select).format(sql.Literal(table), sql.Identifier(table)) for table in tables]
    if parts:
        found |= {table: rows for table, rows in connection.execute(sql.SQL(" UNION ALL ").join(parts)) if rows}
    return found


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
