"""The request that «Upgrade - Contact Sales» sends, and its state."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base


class State(StrEnum):
    """How far a request is."""

    NEW = "new"
    IN_TALKS = "in_talks"
    WON = "won"
    DECLINED = "declined"


class SalesRequest(Base):
    """What an owner asked sales for."""

    __tablename__ = "sales_requests"
    __table_args__ = (Index("ix_sales_requests_state_asked", "state", "asked_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    state: Mapped[str]
    moved_at: Mapped[datetime | None]
    name: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str]
    organization_name: Mapped[str]
    company_domain: Mapped[str]
    identity_provider: Mapped[str]
    users: Mapped[str]
    deployment: Mapped[str]
    message: Mapped[str]
