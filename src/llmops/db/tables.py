"""The base of every table, the column types, and how a row becomes a value.

Tables are declared as classes and read as plain values: no session, no identity map, no lazy load. A row that was
read does not change; changes are UPDATE statements in the noun's file.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Insert,
    MetaData,
    Row,
    Select,
    Table,
    TypeDecorator,
    Update,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.orm import DeclarativeBase

Db = Connection
"""One open transaction. Opened and closed by `web/request.py`, jobs and the command line."""


class Moment(TypeDecorator[datetime]):
    """A time in UTC. SQLite keeps none of the zone, so it is taken off and put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """A table. Its instances are read-only rows: they are made by `find`, `one` and `many`, never by hand."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment,
        dict[str, str]: JSON,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }

    @classmethod
    def rows(cls) -> Select[Any]:
        """SELECT every column of this table."""
        return select(cls.table())

    @classmethod
    def table(cls) -> Table:
        """The Core table behind the class."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """The row as a plain value: the mapped attributes find what they want in `__dict__` and ask no session."""
        value = object.__new__(cls)
        value.__dict__.update(row._mapping)
        return value


T = TypeVar("T", bound=Base)


def find(db: Db, entity: type[T], **equals: object) -> T | None:
    """The first row whose columns equal these values, or None. The statement is made once for each set of columns."""
    row = db.execute(_select_by(entity, tuple(equals)), equals).first()
    return entity.from_row(row) if row is not None else None


def add(db: Db, entity: type[Base], **values: object) -> None:
    """Insert one row. Raises: IntegrityError."""
    db.execute(_insert_into(entity), values)


def change(db: Db, entity: type[Base], where: Mapping[str, object], **values: object) -> int:
    """Update the rows whose columns equal `where` (None: are NULL). Returns how many there were.

    Of two at the same moment that want the same row in the same state one gets 1, the other 0. Raises: IntegrityError.
    """
    wanted = {f"where_{name}": value for name, value in where.items() if value is not None}
    empty = tuple(name for name, value in where.items() if value is None)
    equal = tuple(name for name, value in where.items() if value is not None)
    return db.execute(_update_by(entity, equal, empty, tuple(values)), wanted | values).rowcount


@cache
def _select_by(entity: type[Base], names: tuple[str, ...]) -> Select[Any]:
    columns = entity.table().c
    return entity.rows().where(*(columns[name] == bindparam(name) for name in names)).limit(1)


@cache
def _insert_into(entity: type[Base]) -> Insert:
    return insert(entity.table())


@cache
def _update_by(entity: type[Base], equal: tuple[str, ...], empty: tuple[str, ...], names: tuple[str, ...]) -> Update:
    columns = entity.table().c
    return (
        update(entity.table())
        .where(*(columns[name] == bindparam(f"where_{name}") for name in equal))
        .where(*(columns[name].is_(None) for name in empty))
        .values({name: bindparam(name) for name in names})
    )


def one(db: Db, entity: type[T], statement: Select[Any]) -> T | None:
    """The first row of a statement that begins with `entity.rows()`, or None."""
    row = db.execute(statement).first()
    return entity.from_row(row) if row is not None else None


def many(db: Db, entity: type[T], statement: Select[Any]) -> Sequence[T]:
    """All rows of a statement that begins with `entity.rows()`."""
    return [entity.from_row(row) for row in db.execute(statement)]
