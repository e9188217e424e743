"""What every form with an address and a password does first: count the try, whoever is named (PWD-06)."""

from llmops.base.email import normalise
from llmops.errors import InvalidEmail, TooManyAttempts
from llmops.signin import known_browsers
from llmops.web import limits
from llmops.web.limits import Limit
from llmops.web.request import Request

MOST_OF_ADDRESS = 60
"""In five minutes from one address block, whoever is named. Sign-ins that succeed are given back: a whole company may
sit behind one address."""
MOST_PASSWORDS = 3_000
"""Tries in five minutes in all, by browsers that were never let in before: a quarter of one core's time for hashing."""


def count_try(r: Request, typed: str) -> str:
    """Count one try. Returns the address as accounts have it, empty when it is none. Raises: TooManyAttempts.

    All forms count together, so that none gives tries beside those of another. Nobody can be locked out for good:
    who knows the mailbox opens a link from a reset letter, and that browser counts as known from then on.
    """
    limits.check_all(r, [_of_address(r)])
    email = _normalised(typed)
    # One address alone cannot use up what an account may be tried in all: it would lock the owner out (PWD-06).
    limits.check(r, "password.pair", f"{email} {limits.address_block(r.ip)}", most=10, window_seconds=600)
    if (browser := known_browsers.name_of(r, email)) is not None:
        # A browser that was here before is not locked out by what strangers try elsewhere; it has tries of its own.
        limits.check(r, "password.browser", f"{email} {browser}", most=20, window_seconds=3600)
    else:
        limits.check(r, "password.account", email, most=100, window_seconds=3600)
        limits.check(r, "password.all", "", most=MOST_PASSWORDS, window_seconds=300)
    return email


def was_right(r: Request) -> None:
    """The try that this request counted was no guess: its address gets it back, once the answer is made.

    What the account and the pair of both may be tried stays counted: nobody signs in ten times in ten minutes.
    """
    limit = _of_address(r)
    r.afterwards(lambda db: limits.take_back(db, r.sealer, [limit], now=r.now))


def count_code(r: Request, holder_id: str) -> None:
    """Count one try at a person's second factor, which has but a million codes; all forms count together.

    Raises: TooManyAttempts.
    """
    limits.check(r, "factor.pair", f"{holder_id} {limits.address_block(r.ip)}", most=6, window_seconds=300)
    limits.check(r, "factor.account", holder_id, most=30, window_seconds=3600)


def may_try_code(r: Request, holder_id: str | None) -> bool:
    """Count one, for forms that take password and code at once and must not tell which was wrong.

    None when the password was wrong: a stranger uses up nobody's codes, and it takes as long all the same (PWD-05).
    """
    try:
        count_code(r, holder_id or r.id)
    except TooManyAttempts:
        return False
    return True


def _of_address(r: Request) -> Limit:
    return Limit("password.address", limits.address_block(r.ip), MOST_OF_ADDRESS, 300)


def _normalised(typed: str) -> str:
    """Another spelling of an address gets no tries of its own."""
    try:
        return normalise(typed)
    except InvalidEmail:
        return ""
