"""What both ways back share: an accepted answer goes on to the application, a refused one is recorded."""

from collections.abc import Sequence

from starlette.responses import Response

from llmops.base import ids
from llmops.broker import logins
from llmops.broker.connections import Connection
from llmops.broker.logins import Login
from llmops.broker.profiles import Profile
from llmops.broker.saml.rules import Check
from llmops.db.tables import Db
from llmops.errors import Failure
from llmops.web import limits
from llmops.web.request import Request, see_other

APPLICATION_CALLBACK = "/login/sso/callback"


def accept(r: Request, login: Login, profile: Profile, *, checks: Sequence[Check]) -> Response:
    """Answer the attempt and send the browser to the application, with the code.

    That is a GET of our own site, to which browsers send SameSite=Lax cookies even after another site's POST: there
    the attempt is tied to the browser that started it (SAML-28).
    """
    code = logins.answer(
        r.db, r.sealer, login, profile, checks=checks, code_ttl_seconds=r.settings.code_ttl_seconds, now=r.now
    )
    return see_other(f"{APPLICATION_CALLBACK}?code={code}")


def refuse(r: Request, connection: Connection, login: Login | None, failure: Failure, checks: Sequence[Check]) -> None:
    """Record the refusal once this request's own transaction is rolled back, and give the failure its reference.

    Anybody can send what matches no attempt; of one address so many are kept that it cannot fill the disk.
    """
    ref = failure.ref = ids.reference()
    login_id = login.id if login else None

    def record(db: Db) -> None:
        block = limits.address_block(r.ip)
        if login_id is None and limits.hit(db, r.sealer, "sso.unmatched", block, window_seconds=3600, now=r.now) > 100:
            return
        logins.refuse(db, r.sealer, connection, failure, login_id=login_id, ref=ref, checks=checks, now=r.now)

    r.afterwards(record)
