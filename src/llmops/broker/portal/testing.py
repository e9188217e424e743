"""A test sign-in: the whole way to the identity provider and back with a connection that need not be live.

Everything is checked as for a real sign-in, and what would be refused there fails here. It ends in a report: there is
no code, session, user, identity or membership (TEN-02). A test that passes counts for the very configuration with
which it began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import domain_of
from llmops.base.sealing import Sealer
from llmops.broker import connections, departure, drafts, logins
from llmops.broker.connections import Connection, Kind
from llmops.broker.logins import Login
from llmops.broker.portal import explained
from llmops.broker.portal.entrance import ACTOR
from llmops.broker.portal.explained import Explanation
from llmops.broker.portal.guide import Mistake
from llmops.broker.profiles import Profile
from llmops.db.tables import Db, find
from llmops.errors import ConnectionIncomplete, EmailNotVerified, EmailOutsideDomains, NotFound
from llmops.web import limits
from llmops.web.request import Request

PATIENCE = timedelta(seconds=90)
"""How long an administrator waits before we say what usually holds people up."""
AGAIN_SECONDS = 3
"""How often a page that waits looks again."""
_MOST_STARTS = 60
_HEADINGS = {
    "waiting": "Waiting for an answer from {provider}",
    "overdue": "Still on the page of {provider}?",
    "unanswered": "No answer came from {provider}",
    "passed": "Test passed",
    "failed": "Test failed",
}

State = Literal["waiting", "overdue", "unanswered", "passed", "failed"]


@dataclass(frozen=True)
class Result:
    """The report of one test. `explanation` is None until something came back; `mistakes` say what may hold it up.

    `counts`: it passed with exactly what the connection is now.
    """

    login: Login
    state: State
    heading: str
    counts: bool
    explanation: Explanation | None
    mistakes: tuple[Mistake, ...]


def start(r: Request, connection: Connection, *, by: str, reports_at: str) -> str:
    """Begin a test in this browser. Returns the address of the identity provider to redirect to.

    `by` is a portal session's or a user's id, `reports_at` the path below which the report will be. To be called before
    `r.db` is used: starts are counted aside.
    Raises: ConnectionIncomplete, TooManyAttempts.
    """
    if not connections.is_complete(connection):
        raise ConnectionIncomplete(connection=connection.id)
    limits.check(r, "sso.test", connection.organization_id, most=_MOST_STARTS, window_seconds=3600)
    return departure.test(r, connection, started_by=by, return_to=reports_at).url


def judged(db: Db, sealer: Sealer, login: Login, connection: Connection) -> Connection:
    """The configuration by which an answer to an attempt is judged.

    For a test that is the one with which it began, a draft too; for a sign-in the connection itself.
    """
    if login.how != "test":
        return connection
    tested = find(db, Connection, id=logins.secrets_of(login, sealer)["connection"])
    if tested is None or drafts.address_id(tested) != connection.id:  # thrown away, or in its place by now
        return connection
    return tested


def require_welcome(profile: Profile, verified_domains: frozenset[str]) -> None:
    """What a sign-in would refuse about the person. Raises: EmailOutsideDomains, EmailNotVerified."""
    if domain_of(profile.email) not in verified_domains:
        expected = ", ".join(sorted(verified_domains)) or "a verified domain"
        raise EmailOutsideDomains(seen=profile.email, expected=expected)
    if profile.email_verified is False:
        raise EmailNotVerified(seen="false", expected="true")


def conclude(db: Db, sealer: Sealer, login: Login, *, browser: str, ip: str, now: datetime) -> None:
    """The browser of the test is back with a good answer: it has passed, and is recorded.

    Raises: LoginOtherBrowser, CodeExpired, CodeAlreadyUsed.
    """
    logins.conclude(db, sealer, login, browser=browser, now=now)
    tested = logins.secrets_of(login, sealer)
    counts = drafts.note_tested(db, sealer, tested["connection"], configuration=tested["configuration"], now=now)
    log.record(
        db,
        Action.CONNECTION_TESTED,
        organization_id=login.organization_id,
        actor=ACTOR if in_portal(login) else login.started_by or "",
        target=tested["connection"],
        ip=ip,
        now=now,
        counts="yes" if counts else "no, the configuration was changed meanwhile",
    )


def result(r: Request, organization_id: str, login_id: str, *, start_url: str = "") -> Result:
    """The report of a test of this organization, and of no other's (SEC-05). Raises: NotFound."""
    login = logins.of_organization(r.db, organization_id, login_id)
    if login is None or login.how != "test":
        raise NotFound()
    connection = judged(r.db, r.sealer, login, connections.get(r.db, login.connection_id))
    state, trace = state_of(login, now=r.now), logins.trace_of(login, r.sealer)
    heard, base_url = state in ("passed", "failed"), r.settings.base_url
    shown = explained.explain(login, trace, connection, base_url=base_url, start_url=start_url)
    chosen = explained.guide_for(connection, base_url=base_url, start_url=start_url)
    return Result(
        login=login,
        state=state,
        heading=_HEADINGS[state].format(provider=shown.provider),
        counts=state == "passed" and _is_at_least(connection.tested_at, login.redeemed_at),
        explanation=shown if heard else None,
        mistakes=() if heard or state == "waiting" else tuple(one for one in chosen.mistakes if _stays_there(one)),
    )


def provider_of(connection: Connection) -> str:
    """What the identity provider is called in a sentence."""
    return explained.provider_of(Kind(connection.kind))


def with_id(db: Db, login_id: str) -> Login | None:
    """The test with this id."""
    return find(db, Login, id=login_id, how="test")


def history(db: Db, connection: Connection) -> Sequence[Login]:
    """The last 50 tests of a connection and of its drafts, the latest first."""
    return logins.recent_tests(db, connection.organization_id, drafts.address_id(connection))


def report_path(login: Login) -> str:
    """Where the report of a test is."""
    return f"{login.return_to}/{login.id}"


def state_of(login: Login, *, now: datetime) -> State:
    """How far a test is. One that has failed may still pass, for as long as nothing good has answered it."""
    if login.code is not None:
        return "failed"
    if login.redeemed_at is not None:
        return "passed"
    if login.expires_at <= now:
        return "unanswered"
    return "waiting" if now - login.started_at < PATIENCE else "overdue"


def _stays_there(mistake: Mistake) -> bool:
    """Whether people get stuck at the identity provider. Of the others a guide says «LLM Ops:» and what we show."""
    return not mistake.seen.startswith("LLM Ops:")


def _is_at_least(moment: datetime | None, other: datetime | None) -> bool:
    return moment is not None and other is not None and moment >= other


def in_portal(login: Login) -> bool:
    """Whether a visitor of the Admin Portal began the test, rather than a user."""
    return (login.started_by or "").startswith("psess_")
