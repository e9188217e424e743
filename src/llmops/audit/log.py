"""Record who did what, in the transaction of the change itself (SEC-07). Entries are only ever added."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from llmops.audit.actions import Action
from llmops.base import ids
from llmops.db.tables import Base, Db, add


class Entry(Base):
    """One recorded action. `actor` is a user id, or a word such as `operator`; `target` what it was done to."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_organization_at", "organization_id", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str | None]
    at: Mapped[datetime]
    action: Mapped[str]
    actor: Mapped[str]
    target: Mapped[str]
    ip: Mapped[str]
    facts: Mapped[dict[str, str]]


def record(
    db: Db,
    action: Action,
    *,
    organization_id: str | None,
    actor: str,
    now: datetime,
    target: str = "",
    ip: str = "",
    **facts: object,
) -> None:
    """Add one entry. `facts` are shown to the organization's admins: no secrets."""
    add(
        db,
        Entry,
        id=ids.new("audit"),
        organization_id=organization_id,
        at=now,
        action=str(action),
        actor=actor,
        target=target,
        ip=ip,
        facts={name: str(value)[:300] for name, value in facts.items() if value is not None},
    )
