"""Browsers that were let in to an account before: what strangers try elsewhere does not lock them out (PWD-06).

The cookie proves that, and gives no right but tries of its own. It holds a random name for the browser and a keyed
hash for each of the last few accounts, over the password of that moment too: who resets it because somebody knew it
leaves that somebody no browser with tries. Source: OWASP, Slow Down Online Guessing Attacks with Device Cookies.
"""

import re

from sqlalchemy import select

from llmops.accounts import users
from llmops.accounts.passwords import Password
from llmops.accounts.users import User
from llmops.base.sealing import Sealer, same, token
from llmops.db.tables import Db
from llmops.web.request import Request

COOKIE = "__Host-llmops_known"
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}(?:\.[0-9a-f]{64}){1,4}")
_MOST = 4
_YEAR_SECONDS = 365 * 24 * 3600


def remember(r: Request, user_id: str) -> None:
    """This browser was let in to the account, or its holder proved the account's mailbox in it."""
    user = users.get(r.db, user_id)
    assert user is not None, "somebody was let in"
    name, marks = _read(r)
    mark = _mark(r.sealer, r.db, name, user.email)
    kept = [mark, *(other for other in marks if other != mark)][:_MOST]
    r.set_cookie(COOKIE, ".".join((name, *kept)), max_age_seconds=_YEAR_SECONDS)


def name_of(r: Request, email: str) -> str | None:
    """The name of this browser, if it was let in to the account of this address before."""
    name, marks = _read(r)
    if not marks:
        return None
    with r.looking() as db:
        mine = _mark(r.sealer, db, name, email)
    return name if any(same(mark, mine) for mark in marks) else None


def _read(r: Request) -> tuple[str, list[str]]:
    """Name and marks of the cookie; a new name without any, if there is none."""
    value = r.cookies.get(COOKIE, "")
    name, *marks = value.split(".") if _VALUE.fullmatch(value) else [token()]
    return name, marks


def _mark(sealer: Sealer, db: Db, name: str, email: str) -> str:
    """What only a browser has that was let in to the account of this address since its password was set."""
    theirs = select(Password.hash).join(User.table(), User.id == Password.user_id).where(User.email == email)
    password_hash = db.execute(theirs).scalar_one_or_none() or ""
    return sealer.hashed("browser.known", f"{name}\0{email}\0{password_hash}")
