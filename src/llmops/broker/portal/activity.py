"""The last attempts of an organization with what became of them, and one of them explained (Settings → Security).

Reading what an attempt received is an act of its own: who did it stands in the audit log (SEC-05).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from llmops import errors
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.broker import connections, logins
from llmops.broker.logins import Login
from llmops.broker.portal import explained, testing
from llmops.broker.portal.explained import Explanation
from llmops.db.tables import Db
from llmops.errors import SignInUnknown, Unexpected
from llmops.web.request import Request

Outcome = Literal["signed in", "test passed", "failed", "no answer", "under way"]
_HOW = {
    "started_here": "Sign-in",
    "unsolicited": "From the provider's own portal",
    "unmatched": "Answer to no sign-in of ours",
    "test": "Test",
}


@dataclass(frozen=True)
class Attempt:
    """One row of the list. `sentence`, `code` and `ref` are empty unless it failed."""

    login_id: str
    at: datetime
    how: str
    outcome: Outcome
    sentence: str
    code: str
    ref: str


def recent_with_outcome(db: Db, organization_id: str, *, now: datetime, most: int = 50) -> Sequence[Attempt]:
    """The organization's last attempts, the latest first."""
    return [_attempt(login, now=now) for login in logins.recent(db, organization_id, most=most)]


def read(r: Request, organization_id: str, login_id: str, *, by: str, start_url: str = "") -> Explanation:
    """One attempt of this organization, explained to a user or colleague (`by`), and noted as read.

    Raises: SignInUnknown (also for another organization's), ConnectionUnknown (its connection is gone).
    """
    login = logins.of_organization(r.db, organization_id, login_id)
    if login is None:
        raise SignInUnknown(seen=login_id[:60])
    connection = testing.judged(r.db, r.sealer, login, connections.get(r.db, login.connection_id))
    trace, target, ip, now = logins.trace_of(login, r.sealer), login.ref or login.id, r.ip, r.now

    def note(db: Db) -> None:
        organization = login.organization_id
        log.record(db, Action.TRACE_READ, organization_id=organization, actor=by, now=now, target=target, ip=ip)

    r.afterwards(note)
    return explained.explain(login, trace, connection, base_url=r.settings.base_url, start_url=start_url)


def _attempt(login: Login, *, now: datetime) -> Attempt:
    failure = (errors.by_code(login.code) or Unexpected) if login.code else None
    return Attempt(
        login_id=login.id,
        at=login.failed_at or login.started_at,
        how=_HOW.get(login.how, login.how),
        outcome=_outcome(login, now=now),
        sentence=failure.message if failure else "",
        code=login.code or "",
        ref=login.ref or "",
    )


def _outcome(login: Login, *, now: datetime) -> Outcome:
    if login.code is not None:
        return "failed"
    if login.redeemed_at is not None:
        return "test passed" if login.how == "test" else "signed in"
    return "no answer" if login.expires_at <= now else "under way"
