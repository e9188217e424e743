"""Open the database, SQLite or PostgreSQL, and hand out transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import configure_mappers

from llmops.db.tables import Db
from llmops.errors import DatabaseUnreachable

_BUSY_TIMEOUT_MS = 10_000
_CONNECT_SECONDS = 5  # a server that is cut off answers nothing; the system's own patience is two minutes


@dataclass(frozen=True)
class Database:
    """The engine, and the only two ways to a transaction."""

    engine: Engine

    @contextmanager
    def reading(self) -> Iterator[Db]:
        """A transaction that will not write. It is rolled back at the end."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Db]:
        """A transaction that commits at the end, or rolls back when something is raised.

        On SQLite it takes the write lock at its start: a transaction that first reads and then writes would
        otherwise fail, not wait, when another wrote in between.
        """
        with self.engine.connect().execution_options(llmops_writes=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def connect(url: str, *, pool_size: int = 16) -> Database:
    """Open the database at an SQLAlchemy URL.

    A server's threads each need a connection, so `pool_size` is the number of threads.
    Raises: DatabaseUnreachable, when the file's folder cannot be made.
    """
    configure_mappers()  # rows are read through the classes' attributes, which exist from here on
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        _make_folder(Path(address.database or "").parent)
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=4,
            hide_parameters=True,  # an error's text goes to the log: no hashes and addresses in it (SEC-04)
            connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=4,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"options": "-c timezone=UTC", "connect_timeout": _CONNECT_SECONDS},
        )
    return Database(engine)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnreachable(database=folder, problem=error.strerror) from None


def _prepare_sqlite(connection: Any, _record: object) -> None:  # the driver's own connection
    connection.isolation_level = None  # the driver must not open transactions by itself: _begin_sqlite does
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        "synchronous=NORMAL",  # survives kill -9 at any moment; docs/decisions/0007 on power cuts
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("llmops_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
