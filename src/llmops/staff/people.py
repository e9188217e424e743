"""Staff: personal accounts, made by the command line, with a password and a second factor; their sessions (ADM-06)."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base


class StaffMember(Base):
    """One colleague. There is no path from a customer's role to here."""

    __tablename__ = "staff_members"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    suspended_at: Mapped[datetime | None]


class StaffSession(Base):
    """One signed-in browser of a colleague: 30 minutes idle, 8 hours in all (SES-09)."""

    __tablename__ = "staff_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff_members.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ip: Mapped[str]
    user_agent: Mapped[str]
