"""A link that opens the Admin Portal: one organization, one purpose, short-lived; and the session it opens.

Only a keyed hash of the token is stored. Opening shows a button; pressing it exchanges the token for a cookie
(SES-13, SES-14). The link can be opened again until it runs out, so that the administrator can go on at another
device; whoever revokes it ends the sessions too (ADM-01, ADM-02).
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base


class Intent(StrEnum):
    """What a link is for; its value is the `--purpose` of the command line."""

    SETUP_SSO = "setup_sso"
    RENEW_CERTIFICATE = "renew_certificate"
    ROTATE_SECRET = "rotate_secret"  # noqa: S105 (a purpose's name)
    VERIFY_DOMAIN = "verify_domain"
    VIEW_ONLY = "view_only"


class PortalLink(Base):
    """One link. `kind`: the identity provider that was chosen beforehand. `step`: how far the visitor came."""

    __tablename__ = "portal_links"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    intent: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str | None]
    contacts: Mapped[list[str]]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    step: Mapped[str | None]
    stepped_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class PortalSession(Base):
    """One browser in the portal. It ends with its link."""

    __tablename__ = "portal_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    link_id: Mapped[str] = mapped_column(ForeignKey("portal_links.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ip: Mapped[str]
    user_agent: Mapped[str]
