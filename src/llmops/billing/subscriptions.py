"""The plan an organization is on: since when, by whom, why, and what the contract says."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base


class Subscription(Base):
    """The contract behind a plan. Seats stand on the organization, where joining reads them."""

    __tablename__ = "subscriptions"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    since: Mapped[datetime]
    set_by: Mapped[str]
    reason: Mapped[str]
    price: Mapped[str]  # as agreed, free text with the currency
    notes: Mapped[str]
