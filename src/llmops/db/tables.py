"""The base of every table, the column types, and how a row becomes a value.

Tables are declared as classes and read as plain values: no session, no identity map, no lazy load. A row that was
read does not change; changes are UPDATE statements in the noun's file.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, TypeVar

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    MetaData,
    Row,
    Select,
    Table,
    TypeDecorator,
    select,
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
    """A table. Its instances are read-only rows: they are made by `one` and `many`, never by hand."""

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


def one(db: Db, entity: type[T], statement: Select[Any]) -> T | None:
    """The first row of a statement that begins with `entity.rows()`, or None."""
    row = db.execute(statement).first()
    return entity.from_row(row) if row is not None else None


def many(db: Db, entity: type[T], statement: Select[Any]) -> Sequence[T]:
    """All rows of a statement that begins with `entity.rows()`."""
    return [entity.from_row(row) for row in db.execute(statement)]
