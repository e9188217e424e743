"""Tell a person by mail when a browser signs in to their account that has not for three months (PWD-17)."""

from datetime import timedelta

from sqlalchemy import select

from llmops.accounts import devices, users
from llmops.accounts.sessions import Session
from llmops.base.clock import readable
from llmops.mail import letters
from llmops.web.request import Request

_REMEMBERED = timedelta(days=90)
_MOST = 200


def of_new_device(r: Request, user_id: str) -> None:
    """Write, unless a browser of this kind was here before, or nobody ever was: the account is new then.

    The kind is what the browser says of itself, so it is a hint for honest cases; it decides nothing.
    """
    recent = (Session.user_id == user_id) & (Session.created_at >= r.now - _REMEMBERED)
    statement = select(Session.user_agent).where(recent).order_by(Session.created_at.desc()).limit(_MOST)
    known = {devices.described(user_agent) for user_agent in r.db.execute(statement).scalars()}
    device = devices.described(r.user_agent)
    user = users.get(r.db, user_id) if known and device not in known else None
    if user is None:
        return
    values = {"when": readable(r.now), "device": device, "ip": r.ip}
    letters.send(r.db, r.sealer, r.settings, to=user.email, template="signin/mail/new_device", now=r.now, **values)
