"""The request that «Upgrade - Contact Sales» sends, and its state. At most one of an organization is open."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, find, many, one
from llmops.errors import NotFound, SalesRequestMoved


class State(StrEnum):
    """How far a request is. The first two are open, the others end it."""

    NEW = "new"
    IN_TALKS = "in_talks"
    WON = "won"
    DECLINED = "declined"

    @property
    def is_open(self) -> bool:
        """Whether sales still works on it."""
        return self in (State.NEW, State.IN_TALKS)


class SalesRequest(Base):
    """What an owner asked sales for."""

    __tablename__ = "sales_requests"
    __table_args__ = (
        Index("ix_sales_requests_state_asked", "state", "asked_at"),
        # One open request of an organization, also when the form is sent twice at the same moment.
        Index(
            "uq_sales_requests_open",
            "organization_id",
            unique=True,
            sqlite_where=text("state IN ('new', 'in_talks')"),
            postgresql_where=text("state IN ('new', 'in_talks')"),
        ),
    )

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


@dataclass(frozen=True)
class Details:
    """What the form asks for, checked. `email` is where sales should answer."""

    name: str
    email: str
    phone: str
    organization_name: str
    company_domain: str
    identity_provider: str
    users: str
    deployment: str
    message: str


def ask(
    db: Db, organization_id: str, details: Details, *, asked_by: str, now: datetime, ip: str = ""
) -> SalesRequest | None:
    """Store a request and record it; None when one of the organization is open already."""
    if open_for(db, organization_id) is not None:
        return None
    request_id = ids.new("sale")
    own = {"id": request_id, "organization_id": organization_id, "asked_by": asked_by, "asked_at": now}
    try:
        with db.begin_nested():
            add(db, SalesRequest, state=State.NEW, **own, **asdict(details))
    except IntegrityError:
        return None
    log.record(
        db,
        Action.SALES_ASKED,
        organization_id=organization_id,
        actor=asked_by,
        target=request_id,
        ip=ip,
        now=now,
        company_domain=details.company_domain,
        identity_provider=details.identity_provider,
    )
    return get(db, request_id)


def open_for(db: Db, organization_id: str) -> SalesRequest | None:
    """The request that sales has not ended yet."""
    mine = SalesRequest.rows().where(SalesRequest.organization_id == organization_id)
    return one(db, SalesRequest, mine.where(SalesRequest.state.in_([state for state in State if state.is_open])))


def latest_for(db: Db, organization_id: str) -> SalesRequest | None:
    """The last request of an organization, open or not."""
    mine = SalesRequest.rows().where(SalesRequest.organization_id == organization_id)
    return one(db, SalesRequest, mine.order_by(SalesRequest.asked_at.desc(), SalesRequest.id.desc()).limit(1))


def of_organization(db: Db, organization_id: str) -> Sequence[SalesRequest]:
    """Every request of an organization, the latest first."""
    mine = SalesRequest.rows().where(SalesRequest.organization_id == organization_id)
    return many(db, SalesRequest, mine.order_by(SalesRequest.asked_at.desc(), SalesRequest.id.desc()))


def queue(db: Db, *, state: str = "") -> Sequence[SalesRequest]:
    """The requests of all organizations in one state (any without), the oldest first: who waits longest is next."""
    statement = SalesRequest.rows().order_by(SalesRequest.asked_at, SalesRequest.id)
    return many(db, SalesRequest, statement.where(SalesRequest.state == state) if state else statement)


def get(db: Db, request_id: str) -> SalesRequest:
    """The request with this id. Raises: NotFound."""
    found = find(db, SalesRequest, id=request_id)
    if found is None:
        raise NotFound(seen=request_id)
    return found


def move(
    db: Db, request: SalesRequest, *, state: State, by: str, now: datetime, reason: str = "", ip: str = ""
) -> SalesRequest:
    """Say how far an open request is, and record it. What is ended stays ended: the customer can ask again.

    Raises: SalesRequestMoved, when it is ended or somebody moved it meanwhile.
    """
    as_seen = {"id": request.id, "state": request.state}
    if not State(request.state).is_open or not change(db, SalesRequest, as_seen, state=state, moved_at=now):
        raise SalesRequestMoved(seen=request.state, request=request.id)
    log.record(
        db,
        Action.SALES_MOVED,
        organization_id=request.organization_id,
        actor=by,
        target=request.id,
        ip=ip,
        now=now,
        before=request.state,
        after=str(state),
        reason=reason or None,
    )
    return get(db, request.id)
