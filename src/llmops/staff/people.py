"""Staff: personal accounts, made by the command line, with a password and a second factor (ADM-06).

There is no path from a customer's role to here: no page makes, changes or restores an account of staff.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.accounts import factors, passwords
from llmops.base import ids
from llmops.base.sealing import Sealer
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import EmailInUse, StaffUnknown

ISSUER = "LLM Ops Staff"
"""What authenticator apps write over the code."""


class StaffMember(Base):
    """One colleague. The second factor is held under the same id (accounts/factors.py)."""

    __tablename__ = "staff_members"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    suspended_at: Mapped[datetime | None]


def create(db: Db, sealer: Sealer, email: str, *, name: str, password: str, now: datetime) -> tuple[StaffMember, str]:
    """A new colleague, and the secret of the second factor in base 32, which waits to be confirmed.

    Raises: EmailInUse, PasswordTooShort, PasswordTooLong, PasswordTooCommon.
    """
    password_hash = passwords.hashed(password, context=(email, name))
    staff_id = ids.new("staff")
    try:
        add(db, StaffMember, id=staff_id, email=email, name=name, password_hash=password_hash, created_at=now)
    except IntegrityError:
        raise EmailInUse(seen=email) from None
    return get(db, staff_id), factors.begin(db, sealer, staff_id, now=now)


def get(db: Db, staff_id: str) -> StaffMember:
    """The colleague with this id. Raises: StaffUnknown."""
    found = find(db, StaffMember, id=staff_id)
    if found is None:
        raise StaffUnknown(seen=staff_id)
    return found


def with_email(db: Db, email: str) -> StaffMember | None:
    """The colleague with this address, suspended or not."""
    return find(db, StaffMember, email=email)


def known(db: Db, email: str) -> StaffMember:
    """The colleague with this address. Raises: StaffUnknown."""
    found = with_email(db, email)
    if found is None:
        raise StaffUnknown(seen=email)
    return found


def everyone(db: Db) -> Sequence[StaffMember]:
    """All colleagues by address."""
    return many(db, StaffMember, StaffMember.rows().order_by(StaffMember.email))


def names(db: Db) -> dict[str, str]:
    """The name of every colleague by id, for pages that say who wrote something."""
    return {member.id: member.name for member in everyone(db)}


def suspend(db: Db, member: StaffMember, *, now: datetime) -> None:
    """The colleague does not get in any more; sessions do not count from this moment on."""
    change(db, StaffMember, {"id": member.id, "suspended_at": None}, suspended_at=now)


def reset_factor(db: Db, sealer: Sealer, member: StaffMember, *, now: datetime) -> str:
    """A new secret in the place of the second factor and the recovery codes; it must be confirmed as the first was."""
    factors.remove(db, member.id)
    return factors.begin(db, sealer, member.id, now=now)


def set_password(db: Db, member: StaffMember, *, password: str) -> None:
    """A new password. Raises: PasswordTooShort, PasswordTooLong, PasswordTooCommon."""
    password_hash = passwords.hashed(password, context=(member.email, member.name))
    change(db, StaffMember, {"id": member.id}, password_hash=password_hash)
