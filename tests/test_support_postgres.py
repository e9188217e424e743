"""A real PostgreSQL starts, and gives databases that know nothing of each other."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy
from support.postgres import Postgres, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def test_it_is_postgresql_18(server: Postgres) -> None:
    engine = sqlalchemy.create_engine(server.fresh())
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("show server_version")).startswith("18.")
    engine.dispose()


def test_fresh_database_is_a_copy_of_its_template(server: Postgres) -> None:
    with psycopg.connect(plain(server.fresh(name="migrated"))) as connection:
        connection.execute("create table people (name text)")
    for _ in range(2):
        with psycopg.connect(plain(server.fresh(template="migrated"))) as connection:
            connection.execute("insert into people values ('ann')")
            assert connection.execute("select count(*) from people").fetchone() == (1,)


def test_a_used_database_comes_back_without_a_row(server: Postgres) -> None:
    with psycopg.connect(plain(server.fresh(name="two"))) as connection:
        connection.execute("create table people (name text primary key)")
        connection.execute("create table pets (owner text references people)")
    with server.migrated("two") as first:
        held = psycopg.connect(plain(first), autocommit=True)
        held.execute("insert into people values ('ann'); insert into pets values ('ann')")
    with pytest.raises(psycopg.OperationalError):
        held.execute("select 1")
    held.close()
    with server.migrated("two") as again, psycopg.connect(plain(again), autocommit=True) as connection:
        assert again == first
        assert connection.execute("select count(*) from people, pets").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("insert into pets values ('bob')")


@pytest.mark.parametrize(
    ("name", "change"),
    [("three", "alter table people rename to gone"), ("four", "update version set number = 4")],
)
def test_a_database_that_is_not_as_its_template_does_not_come_back(server: Postgres, name: str, change: str) -> None:
    with psycopg.connect(plain(server.fresh(name=name))) as connection:
        connection.execute("create table people (name text); create table version (number int)")
        connection.execute("insert into version values (3)")
    with server.migrated(name) as first, psycopg.connect(plain(first), autocommit=True) as connection:
        connection.execute(change)
    with server.migrated(name) as again, psycopg.connect(plain(again)) as connection:
        assert again != first
        assert connection.execute("select count(*), max(number) from people, version").fetchone() == (0, None)
        assert connection.execute("select number from version").fetchone() == (3,)


def test_dropped_database_is_gone(server: Postgres) -> None:
    url = server.fresh()
    server.drop(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(plain(url))
