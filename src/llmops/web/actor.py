"""Who is asking: the person, their organization and role there, and how they signed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

RECENT = timedelta(minutes=10)
"""For how long a proof of who somebody is counts for sensitive acts (SES-12)."""


@dataclass(frozen=True)
class Actor:
    """A signed-in person, acting in exactly one organization for as long as the session lasts (TEN-03).

    The session ends at `ends_at` in any case, and at `ends_unused_at` if nothing comes from the browser until then.
    """

    session_id: str
    user_id: str
    email: str
    first_name: str
    last_name: str
    organization_id: str
    organization_name: str
    organization_slug: str
    plan: str
    role: str
    method: str
    connection_id: str | None
    authenticated_at: datetime
    ends_at: datetime
    ends_unused_at: datetime
    sso_enforced: bool = False  # passwords open no door of the organization

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip() or self.email

    @property
    def initials(self) -> str:
        """One or two letters that stand for the person."""
        letters = [part[0] for part in (self.first_name, self.last_name) if part]
        return "".join(letters).upper() or self.email[:1].upper()

    def is_fresh(self, now: datetime) -> bool:
        """Whether the person has proven recently who they are (SES-12)."""
        return now - self.authenticated_at <= RECENT

    @property
    def is_rescued(self) -> bool:
        """Whether the operator's one-time link opened the session: it is there to repair single sign-on (TEN-19)."""
        return self.method == "rescue"

    @property
    def is_owner(self) -> bool:
        """Whether the person may do everything in the organization."""
        return self.role == "owner"

    @property
    def is_admin(self) -> bool:
        """Whether the person may see and change the organization's settings."""
        return self.role in ("owner", "admin")
