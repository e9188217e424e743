"""Browsers in which a colleague passed both factors: what strangers try elsewhere does not lock them out (PWD-06).

The cookie gives no right but tries of its own. It names one account and is sealed over the password of that moment:
who changes it because somebody knew it leaves that somebody no browser with tries.
"""

import json

from llmops.base.sealing import same, token
from llmops.errors import SecretKeyMismatch
from llmops.staff import people
from llmops.staff.people import StaffMember
from llmops.web.request import Request

COOKIE = "__Host-llmops_staff_known"
_PLACE = "staff.known"
_LIVES_SECONDS = 90 * 24 * 3600


def remember(r: Request, member: StaffMember) -> None:
    """This browser was let in to the account."""
    value = json.dumps([member.email, _mark(r, member), token()])
    r.set_cookie(COOKIE, r.sealer.seal(value, place=_PLACE), max_age_seconds=_LIVES_SECONDS)


def name_of(r: Request, email: str) -> str | None:
    """The random name of this browser, if it was let in to the account of this address before."""
    try:
        known, mark, name = json.loads(r.sealer.unseal(r.cookies.get(COOKIE, ""), place=_PLACE))
    except SecretKeyMismatch:
        return None
    if known != email:
        return None
    with r.looking() as db:
        member = people.with_email(db, email)
    return str(name) if member is not None and same(mark, _mark(r, member)) else None


def _mark(r: Request, member: StaffMember) -> str:
    return r.sealer.hashed(_PLACE, member.password_hash)
