"""The moment of getting in and out: the session is opened or ended, and it is recorded."""

from datetime import datetime

from starlette.responses import Response

from llmops.accounts import sessions
from llmops.accounts.sessions import Method
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.organizations import members
from llmops.signin import known_browsers, notices
from llmops.web.request import Request, local_path, see_other

LAST_METHOD_COOKIE = "__Host-llmops_last"
_YEAR_SECONDS = 365 * 24 * 3600


def enter(
    r: Request,
    *,
    user_id: str,
    organization_id: str,
    method: Method,
    return_to: str,
    connection_id: str | None = None,
    not_after: datetime | None = None,
    proven_at: datetime | None = None,
    first_time: bool = False,
    action: Action = Action.SIGNED_IN,
    login_id: str | None = None,
) -> Response:
    """Open a session in this browser and go on. A session that was there ends: its id is never used again (SES-06).

    `proven_at`: when an identity provider asked the person again because we had told it to. Without that nobody knows
    when it last did, so such a session counts as proven long ago (SES-12). `login_id`: the attempt that an identity
    provider answered; the audit log leads to it.
    """
    if r.actor is not None:
        sessions.end(r.db, r.actor.session_id, user_id=r.actor.user_id, now=r.now)
    if method == "password":
        notices.of_new_device(r, user_id)
    cookie = sessions.open_session(
        r.db,
        r.site.keyring,
        r.settings,
        user_id=user_id,
        organization_id=organization_id,
        method=method,
        connection_id=connection_id,
        not_after=not_after,
        authenticated_at=proven_at or (sessions.UNKNOWN if method == "sso" else r.now),
        now=r.now,
        ip=r.ip,
        user_agent=r.user_agent,
    )
    members.seen(r.db, organization_id, user_id, method=method, now=r.now)
    log.record(
        r.db,
        action,
        organization_id=organization_id,
        actor=user_id,
        ip=r.ip,
        now=r.now,
        method=method,
        connection=connection_id,
        attempt=login_id,
    )
    r.site.metrics.login(method=method)
    r.set_cookie(sessions.COOKIE, cookie)
    known_browsers.remember(r, user_id)
    if method in ("password", "sso"):  # nobody needs to be reminded of an emergency
        r.set_cookie(LAST_METHOD_COOKIE, method, max_age_seconds=_YEAR_SECONDS)
    return see_other("/?welcome=1" if first_time and return_to == "/" else local_path(return_to))


def leave(r: Request) -> str:
    """End this browser's session, here and in the database, whatever the identity provider does. Returns its method."""
    actor = r.member
    sessions.end(r.db, actor.session_id, user_id=actor.user_id, now=r.now)
    log.record(
        r.db,
        Action.SIGNED_OUT,
        organization_id=actor.organization_id,
        actor=actor.user_id,
        ip=r.ip,
        now=r.now,
        method=actor.method,
    )
    r.clear_cookie(sessions.COOKIE)
    return actor.method
