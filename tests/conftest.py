"""Fixtures: a database for each test, on SQLite or with `--postgresql` on PostgreSQL, and the world in it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.postgres import Postgres, postgres
from support.requirements import Collector
from world import World, opened

from llmops.base import logs
from llmops.db.engine import Database, connect
from llmops.migrations import history


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgresql", action="store_true", help="run on PostgreSQL instead of SQLite")
    parser.addoption("--requirements", metavar="FILE", help="note which security requirement each test proves")


def pytest_configure(config: pytest.Config) -> None:
    """Log as the server does; pytest shows the lines of a test that fails."""
    logs.configure(level="info", form="json")
    if file := config.getoption("--requirements"):
        config.pluginmanager.register(Collector(Path(file)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever opens a database is a database test: it runs again on PostgreSQL."""
    for item in items:
        if {"database", "world", "make_world", "database_url"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> Iterator[Postgres | None]:
    """One PostgreSQL for the session, or None for SQLite."""
    if not request.config.getoption("--postgresql"):
        yield None
        return
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgresql: Postgres | None, tmp_path_factory: pytest.TempPathFactory) -> str | Path:
    """A migrated database, of which every test gets a copy: its name on PostgreSQL, its file on SQLite."""
    path = tmp_path_factory.mktemp("template") / "llmops.sqlite3"
    database = connect(postgresql.fresh(name="llmops_template") if postgresql else f"sqlite:///{path}")
    history.upgrade(database)
    database.close()
    return "llmops_template" if postgresql else path


@pytest.fixture
def database_url(postgresql: Postgres | None, template: str | Path, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    if postgresql is not None:
        with postgresql.migrated(str(template)) as url:
            yield url
    else:
        path = tmp_path / "llmops.sqlite3"
        shutil.copyfile(template, path)
        yield f"sqlite:///{path}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The fresh database, open."""
    opened_database = connect(database_url)
    yield opened_database
    opened_database.close()


@pytest.fixture
def make_world(database: Database, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes the installation with changed settings."""
    with ExitStack() as stack:

        def make(**changes: Any) -> World:
            return stack.enter_context(opened(database, tmp_path / "data", **changes))

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """The installation as it comes."""
    return make_world()
