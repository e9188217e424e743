"""The migrations lead to the tables that the code has."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from llmops import app
from llmops.db.engine import Database
from llmops.db.tables import Base


def test_migrated_database_has_exactly_our_tables_and_indexes(database: Database) -> None:
    assert app.SITE, "with the site every table is imported"
    with database.reading() as db:
        assert compare_metadata(MigrationContext.configure(db), Base.metadata) == []
