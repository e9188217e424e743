"""What staff write down about a customer: contract talks, calls, agreements. The customer does not see them."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base


class Note(Base):
    """One note."""

    __tablename__ = "staff_notes"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    staff_id: Mapped[str]
    at: Mapped[datetime]
    text: Mapped[str]
