"""The migrations lead to the tables that the code has."""

from importlib import import_module
from pkgutil import walk_packages

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import llmops
from llmops.db.engine import Database
from llmops.db.tables import Base


def test_migrated_database_has_exactly_our_tables_and_indexes(database: Database) -> None:
    for module in walk_packages(llmops.__path__, "llmops."):  # importing them makes every table known
        if ".migrations." not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)
    with database.reading() as db:
        assert compare_metadata(MigrationContext.configure(db), Base.metadata) == []
