"""People. An address is unique after normalisation, and proven before its person is stored."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, find
from llmops.errors import EmailInUse, NameMissing

LONGEST_NAME = 100
_ERASED = "erased.invalid"


class User(Base):
    """One person. `email_verified_at`: when a letter, an operator or a verified domain's IdP proved the address."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    first_name: Mapped[str]
    last_name: Mapped[str]
    email_verified_at: Mapped[datetime | None]
    suspended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


def create(db: Db, email: str, *, first_name: str, last_name: str, verified: bool, now: datetime) -> User:
    """A new person with a normalised address. Raises: EmailInUse, also when two come at the same moment."""
    user_id = ids.new("user")
    try:
        add(
            db,
            User,
            id=user_id,
            email=email,
            first_name=first_name,
            last_name=last_name,
            email_verified_at=now if verified else None,
            created_at=now,
        )
    except IntegrityError:
        raise EmailInUse(seen=email) from None
    user = get(db, user_id)
    assert user is not None
    return user


def get(db: Db, user_id: str) -> User | None:
    """The person with this id."""
    return find(db, User, id=user_id)


def with_email(db: Db, email: str) -> User | None:
    """The person with this normalised address."""
    return find(db, User, email=email)


def full_name(first_name: str, last_name: str, email: str) -> str:
    """What a person is called; who has no name goes by their address."""
    return f"{first_name} {last_name}".strip() or email


def rename(db: Db, user_id: str, *, first_name: str, last_name: str) -> None:
    """Take the names that the identity provider sent."""
    change(db, User, {"id": user_id}, first_name=first_name, last_name=last_name)


def change_email(db: Db, user_id: str, *, email: str, now: datetime) -> None:
    """Take a new proven address. Raises: EmailInUse."""
    try:
        change(db, User, {"id": user_id}, email=email, email_verified_at=now)
    except IntegrityError:
        raise EmailInUse(seen=email) from None


def erase(db: Db, user: User) -> None:
    """Nobody can tell who it was; who comes with the same address can be recognised (`erased_address`)."""
    address = erased_address(user.email)
    values = {"email": address, "first_name": "Erased", "last_name": "person", "email_verified_at": None}
    change(db, User, {"email": address}, email=f"{user.id}@{_ERASED}")  # one that had the address before
    change(db, User, {"id": user.id}, **values)


def erased_address(email: str) -> str:
    """What stands in place of an erased person's address. Not keyed: it must outlive every secret key."""
    return f"{hashlib.sha256(f'llmops erased {email}'.encode()).hexdigest()}@{_ERASED}"


def unfit_names(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the names that a person typed, by field."""
    errors = {}
    for field, text in typed.items():
        try:
            given_name(text)
        except NameMissing as failure:
            errors[field] = failure.message
    return errors


def given_name(text: str) -> str:
    """A name that a person typed, trimmed. Raises: NameMissing, when empty, too long or with control characters."""
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise NameMissing(seen=name[:20])
    return name
