"""Bring the database to the newest schema, and tell whether it is there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from llmops.db.engine import Database
from llmops.errors import DatabaseUnreachable, SchemaOutdated

_LOCK = 7_046_029  # any number: PostgreSQL's advisory lock for migrations


def upgrade(database: Database) -> str:
    """Run what is missing, one process at a time. Returns the revision that the database then has.

    Raises: DatabaseUnreachable.
    """
    _reach(database)
    with database.writing() as db:
        if db.dialect.name == "postgresql":
            db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(_config(db), "head")
        return _revision(db) or ""


def check(database: Database) -> None:
    """The database has the newest schema. Raises: SchemaOutdated, DatabaseUnreachable."""
    _reach(database)
    with database.reading() as db:
        seen = _revision(db)
    if seen != _head():
        raise SchemaOutdated(seen=seen or "none", expected=_head())


def missing(db: Connection) -> str | None:
    """Which revision the database has in place of the newest; None when it has that."""
    seen = _revision(db)
    return None if seen == _head() else f"{seen or 'none'} in place of {_head()}"


def prepare(database: Database) -> None:
    """Ready the database for this process: SQLite is migrated at once, PostgreSQL must have been by `llmops migrate`.

    A file belongs to one server; a shared database is changed when its operator says so. Raises: SchemaOutdated.
    """
    try:
        check(database)
    except SchemaOutdated:
        if database.engine.dialect.name != "sqlite":
            raise
        upgrade(database)


def _reach(database: Database) -> None:
    """Open a connection. Raises: DatabaseUnreachable, which shows the address without its password."""
    try:
        with database.reading():
            pass
    except OperationalError as error:
        raise DatabaseUnreachable(database=database.engine.url.render_as_string(), problem=error.orig) from None


def _revision(db: Connection) -> str | None:
    return MigrationContext.configure(db).get_current_revision()


@cache
def _head() -> str | None:
    """The newest revision that this program knows; read once."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(db: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = db
    return config
