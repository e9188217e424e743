"""Alembic's entrance: runs the migrations on the connection that `history.py` hands in."""

from alembic import context

from llmops.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    user_module_prefix="",  # `Moment()`, which script.py.mako imports
    render_as_batch=True,  # SQLite changes a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
