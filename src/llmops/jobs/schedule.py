"""What runs by the clock: each task's last run and last success, and a lease so that of two replicas one does it."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base


class Task(Base):
    """One task that runs by the clock."""

    __tablename__ = "scheduled_tasks"

    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    failures: Mapped[int]  # in a row
    last_error: Mapped[str | None]
