"""The two things LLM Ops asks of an SSO provider, answered by the broker in this process."""

from functools import partial

from llmops.base import ids
from llmops.broker import connections, departure, logins
from llmops.broker.logins import Redeemed
from llmops.errors import Failure
from llmops.organizations.organization import Organization
from llmops.web.request import Request


def authorization_url(
    r: Request, organization: Organization, *, return_to: str, login_hint: str | None, force: bool = False
) -> str:
    """Where to send the browser so that the person signs in with their company. Raises: SsoNotConfigured.

    With `force` they have to prove there who they are, even if they are signed in.
    """
    connection = connections.active_for(r.db, organization.id)
    return departure.depart(r, connection, return_to=return_to, login_hint=login_hint, force=force)


def profile_for(r: Request, code: str) -> Redeemed:
    """Whom the code stands for. Raises: CodeAlreadyUsed, CodeExpired, LoginOtherBrowser."""
    try:
        return logins.redeem(r.db, r.sealer, code=code, browser=r.browser, now=r.now)
    except Failure as failure:
        ref = failure.ref = ids.reference()
        r.afterwards(partial(logins.spoil, sealer=r.sealer, failure=failure, code=code, ref=ref, now=r.now))
        raise
