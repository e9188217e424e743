"""How often single sign-on may be started: attempts are stored, so nobody may fill the store with them.

What counts is unfinished: a start that ends in a session is taken back. So five hundred people behind one company's
address get in on a Monday morning, while who starts and never ends soon has to wait. A browser in which the person was
let in before goes on all the same: nobody can keep a company out by using up its starts (PWD-06).
"""

from datetime import datetime

from llmops.base.sealing import Sealer
from llmops.db.tables import Db
from llmops.errors import TooManyAttempts
from llmops.signin import known_browsers
from llmops.web import limits
from llmops.web.limits import Limit
from llmops.web.request import Request

WINDOW_SECONDS = 300
MOST_OF_ADDRESS = 1_500
"""Whatever comes of it, typing mistakes too: three companies of five hundred behind one address."""
MOST_OF_PAIR = 300
"""Unfinished, of one address block at one organization."""
MOST_OF_ORGANIZATION = 2_000
MOST_IN_ALL = 6_000
"""Unfinished everywhere: what a storm from everywhere can store of attempts, 500 bytes each, until they are deleted."""
MOST_OF_KNOWN_BROWSER = 20
_ADDRESS = "sso.start"


def count_mistake(r: Request) -> None:
    """Count a start that leads nowhere, as the address's. Raises: TooManyAttempts."""
    limits.check_all(r, [_of_address(limits.address_block(r.ip))])


def count(r: Request, organization_id: str, *, email: str = "") -> None:
    """Count a start at an organization; before `r.db` is used. Raises: TooManyAttempts."""
    block = limits.address_block(r.ip)
    try:
        limits.check_all(r, [_of_address(block), *_unfinished(block, organization_id)])
    except TooManyAttempts as failure:
        browser = known_browsers.name_of(r, email) if email else None
        if browser is None or failure.facts["scope"] == _ADDRESS:
            raise
        limits.check(r, "sso.start.browser", browser, most=MOST_OF_KNOWN_BROWSER, window_seconds=WINDOW_SECONDS)


def take_back(db: Db, *, sealer: Sealer, ip: str, organization_id: str, now: datetime) -> None:
    """A start ended in a session."""
    limits.take_back(db, sealer, _unfinished(limits.address_block(ip), organization_id), now=now)


def _of_address(block: str) -> Limit:
    return Limit(_ADDRESS, block, MOST_OF_ADDRESS, WINDOW_SECONDS)


def _unfinished(block: str, organization_id: str) -> tuple[Limit, ...]:
    """Always in this order: two transactions that count the same then wait for each other one way only."""
    return (
        Limit("sso.start.pair", f"{organization_id} {block}", MOST_OF_PAIR, WINDOW_SECONDS),
        Limit("sso.start.organization", organization_id, MOST_OF_ORGANIZATION, WINDOW_SECONDS),
        Limit("sso.start.all", "", MOST_IN_ALL, WINDOW_SECONDS),
    )
