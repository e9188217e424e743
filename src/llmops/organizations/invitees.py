"""The addresses that somebody pasted to invite them: read one by one, each with what is wrong or odd about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from llmops.base.email import domain_of, normalise
from llmops.db.tables import Db
from llmops.errors import InvalidEmail, InvitationPointless
from llmops.organizations import domains, invitations, organization

MOST_AT_ONCE = 100
_NAMED = re.compile(r"[^,;<>\r\n]*<([^<>\r\n]*)>")
"""`Ann Lee <ann@acme.test>`, as mail programs copy people."""
_PERSONAL = "a personal address"
_OUTSIDE = "outside your domains"
_NO_SSO = "outside your domains, so single sign-on, which you require, will not let them in"


@dataclass(frozen=True)
class Invitee:
    """One of them. A `problem` stops it, a `warning` wants to be seen first. `email`: what was typed if it is none."""

    email: str
    problem: str = ""
    warning: str = ""


def read(db: Db, organization_id: str, pasted: str, *, personal: tuple[str, ...], now: datetime) -> Sequence[Invitee]:
    """Everyone in a pasted list, parted by commas, semicolons, spaces or lines; doubles once, in their order."""
    parts = [part for part in re.split(r"[\s,;]+", _NAMED.sub(r" \1 ", pasted)) if part]
    ours = frozenset(domain.domain for domain in domains.of_organization(db, organization_id))
    outside = _NO_SSO if organization.get(db, organization_id).sso_enforced_at else _OUTSIDE
    found: dict[str, Invitee] = {}
    for part in parts:
        try:
            email = normalise(part)
        except InvalidEmail as failure:
            found.setdefault(part, Invitee(part[:100], problem=failure.message))
            continue
        if email in found:
            continue
        if invitations.is_pointless(db, organization_id, email, now=now):
            found[email] = Invitee(email, problem=InvitationPointless.message)
        elif ours and domain_of(email) not in ours:
            is_personal = domains.is_personal(domain_of(email), personal)
            found[email] = Invitee(email, warning=_PERSONAL if is_personal and outside is _OUTSIDE else outside)
        elif domains.is_personal(domain_of(email), personal):
            found[email] = Invitee(email, warning=_PERSONAL)
        else:
            found[email] = Invitee(email)
    return list(found.values())
