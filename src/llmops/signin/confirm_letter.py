"""«Confirm it is you» by a letter, where the identity provider does not say when it last asked the person (SES-12).

Google and, without an optional claim, Entra send no `auth_time`, so nobody can see whether they asked again: whoever
holds the browser may have taken `max_age` and `prompt` out of the address, and a fresh `iat` says only that a token was
made. So the proof comes from the mailbox, and counts for the session alone that asked. See docs/decisions/0009.
"""

from starlette.responses import Response

from llmops.accounts import sessions, verification
from llmops.accounts.verification import Purpose
from llmops.audit.actions import Action
from llmops.broker import connections
from llmops.broker.connections import Kind
from llmops.errors import LetterSpent, NotFound
from llmops.mail import letters
from llmops.signin.entry import enter
from llmops.web import limits, one_time
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, local_path

_MINUTES = verification.minutes_valid(Purpose.CONFIRM_SESSION)


def offered(r: Request) -> bool:
    """Whether this session may be confirmed so: OpenID Connect opened it. SAML providers always say when they asked."""
    actor = r.member
    if actor.method != "sso" or actor.connection_id is None:
        return False
    return not Kind(connections.get(r.db, actor.connection_id).kind).is_saml


def ask(r: Request) -> Response:
    """POST /confirm/letter: send the link to the person's own, proven address. Raises: NotFound, TooManyAttempts."""
    actor = r.member
    limits.check(r, "confirm.letter", actor.user_id, most=5, window_seconds=3600)
    if not offered(r):
        raise NotFound()
    payload = {"session": actor.session_id, "next": local_path(r.field("next"))}
    secret = verification.issue(
        r.db, r.sealer, Purpose.CONFIRM_SESSION, subject=actor.user_id, payload=payload, now=r.now
    )
    letters.send(
        r.db,
        r.sealer,
        r.settings,
        to=actor.email,
        template="signin/mail/confirm",
        now=r.now,
        link=f"{r.settings.base_url}/confirm/link?token={secret}",
        minutes_valid=_MINUTES,
    )
    return render(r, "signin/confirm_letter.html", token="", minutes_valid=_MINUTES)


def show(r: Request) -> Response:
    """GET /confirm/link: a button. Opening the address spends nothing, and the token leaves it (SES-14)."""
    if (answer := one_time.arrived(r, "confirm")) is not None:
        return answer
    secret = one_time.token_of(r, "confirm")
    _require_this_session(r, verification.look(r.db, r.sealer, Purpose.CONFIRM_SESSION, secret=secret, now=r.now))
    return render(r, "signin/confirm_letter.html", token=secret, minutes_valid=_MINUTES)


def confirm(r: Request) -> Response:
    """POST /confirm/link: a new session takes the old one's place and ends no later. Raises: LetterSpent."""
    actor = r.member
    link = verification.spend(r.db, r.sealer, Purpose.CONFIRM_SESSION, secret=r.field("token"), now=r.now)
    _require_this_session(r, link)
    one_time.forget(r, "confirm")
    return enter(
        r,
        user_id=actor.user_id,
        organization_id=actor.organization_id,
        method="sso",
        connection_id=actor.connection_id,
        not_after=sessions.end_of(r.db, actor.session_id),
        proven_at=r.now,
        return_to=link.payload["next"],
        action=Action.CONFIRMED,
    )


def _require_this_session(r: Request, link: verification.OneTimeLink) -> None:
    """Whoever else holds a session of this person gains nothing from a letter that its owner opens."""
    if link.payload["session"] != r.member.session_id or not offered(r):
        raise LetterSpent(problem="another session")


doors = [
    post("/confirm/letter", ask, signed_in=True),
    get("/confirm/link", show, signed_in=True),
    post("/confirm/link", confirm, signed_in=True),
]
