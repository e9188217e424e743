"""The owner of an address proves it, after somebody had made an account with it without proof (TEN-08)."""

from datetime import datetime

from llmops.accounts import factors, passwords, sessions, users
from llmops.accounts.users import User
from llmops.db.tables import Db


def take_over(db: Db, user: User, *, now: datetime) -> None:
    """The account is its address's owner's from now on: password, factor and sessions of its maker are gone."""
    passwords.remove(db, user.id)
    factors.remove(db, user.id)
    sessions.end_all(db, user.id, now=now)
    users.change_email(db, user.id, email=user.email, now=now)
