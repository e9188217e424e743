"""Settings → Profile → Two-step sign-in: set it up with an app, keep recovery codes, take it away (PWD-14).

Every change needs a fresh proof of who asks and no rescue session, ends the other sessions and is told by mail
(SES-11, SES-12, PWD-17, TEN-19).
"""

from collections.abc import Callable, Sequence

import segno
from starlette.responses import Response

from llmops.accounts import devices, factors, passwords, sessions
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.errors import SecondFactorWrong
from llmops.mail import letters
from llmops.web import limits
from llmops.web.doors import Door, get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

RequireUnneeded = Callable[[Request], None]
"""Raises when the person must keep the second factor. What asks for it lies above accounts, so `app.py` passes it."""

PAGE = "/settings/profile/two-step"
_SET_UP = f"{PAGE}/set-up"
_ISSUER = "LLM Ops"
_QUIET_ZONE = 4  # modules around a QR code; ISO/IEC 18004 §5.3.8
_FLASHES = {"removed": "Two-step sign-in is off. All other sessions have ended."}


def doors(require_unneeded: RequireUnneeded) -> list[Door]:
    """The pages of two-step sign-in."""

    def take_away(r: Request) -> Response:
        """POST …/remove: the password alone is enough again. Raises: BreakGlassNeeded."""
        require_unneeded(r)
        return remove(r)

    return [
        get(PAGE, show, signed_in=True),
        post(f"{PAGE}/begin", begin, signed_in=True, recent=PAGE, lasting=True),
        get(_SET_UP, set_up, signed_in=True, recent=_SET_UP, lasting=True),
        post(f"{PAGE}/confirm", confirm, signed_in=True, recent=_SET_UP, lasting=True),
        post(f"{PAGE}/codes", new_codes, signed_in=True, recent=PAGE, lasting=True),
        post(f"{PAGE}/remove", take_away, signed_in=True, recent=PAGE, lasting=True),
    ]


def show(r: Request) -> Response:
    """GET /settings/profile/two-step: on or off."""
    user_id = r.member.user_id
    return render(
        r,
        "accounts/two_step.html",
        enrolled=factors.enrolled(r.db, user_id),
        codes_left=factors.codes_left(r.db, user_id),
        password_set=passwords.find(r.db, user_id) is not None,
        flash=_FLASHES.get(r.query("done") or ""),
    )


def begin(r: Request) -> Response:
    """POST …/begin: a new secret; it counts once a code of it was confirmed."""
    if factors.enrolled(r.db, r.member.user_id):
        return see_other(PAGE)
    factors.begin(r.db, r.sealer, r.member.user_id, now=r.now)
    return see_other(_SET_UP)


def set_up(r: Request) -> Response:
    """GET …/set-up: the secret that waits, as a QR code and as text."""
    return _set_up_page(r, {})


def confirm(r: Request) -> Response:
    """POST …/confirm: the app shows the right code. The answer shows the recovery codes, this once."""
    user_id = r.member.user_id
    limits.check(r, "factor.confirm", user_id, most=20, window_seconds=600)
    try:
        codes = factors.confirm(r.db, r.sealer, user_id, code=r.field("code"), now=r.now)
    except SecondFactorWrong as failure:
        return _set_up_page(r, {"code": failure.message})
    _changed(r, Action.SECOND_FACTOR_ADDED, "Two-step sign-in was switched on.")
    return _codes_page(r, codes, "Two-step sign-in is on. All other sessions have ended.")


def new_codes(r: Request) -> Response:
    """POST …/codes: ten fresh recovery codes; those before are void."""
    if not factors.enrolled(r.db, r.member.user_id):
        return see_other(PAGE)
    codes = factors.new_codes(r.db, r.sealer, r.member.user_id)
    _changed(r, Action.RECOVERY_CODES_MADE, "New recovery codes were made; those before are void.")
    return _codes_page(r, codes, "Your codes from before are void.")


def remove(r: Request) -> Response:
    """The person signs in with the password alone again."""
    if factors.enrolled(r.db, r.member.user_id):
        factors.remove(r.db, r.member.user_id)
        _changed(r, Action.SECOND_FACTOR_REMOVED, "Two-step sign-in was switched off.")
    return see_other(f"{PAGE}?done=removed")


def tell(r: Request, email: str, what: str) -> None:
    """Write to the person that something about their second factor happened."""
    values = {"what": what, "when": readable(r.now), "device": devices.described(r.user_agent)}
    letters.send(r.db, r.sealer, r.settings, to=email, template="accounts/mail/second_factor", now=r.now, **values)


def _changed(r: Request, action: Action, what: str) -> None:
    actor = r.member
    sessions.end_all(r.db, actor.user_id, now=r.now, except_for=actor.session_id)
    log.record(r.db, action, organization_id=actor.organization_id, actor=actor.user_id, ip=r.ip, now=r.now)
    tell(r, actor.email, what)


def _set_up_page(r: Request, errors: dict[str, str]) -> Response:
    secret = factors.waiting(r.db, r.sealer, r.member.user_id)
    if secret is None:
        return see_other(PAGE)
    width, path = qr_code(factors.address(secret, account=r.member.email, issuer=_ISSUER))
    return render(
        r,
        "accounts/two_step_set_up.html",
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        qr={"width": width, "path": path},
        errors=errors,
        status=SecondFactorWrong.status if errors else 200,
    )


def _codes_page(r: Request, codes: Sequence[str], flash: str) -> Response:
    return render(r, "accounts/recovery_codes.html", codes=codes, flash=flash)


def qr_code(text: str) -> tuple[int, str]:
    """A QR code as its width in modules and an SVG path of its dark ones, row by row: the policy forbids styles."""
    code = segno.make(text, error="m", micro=False)
    rows = [bytes(row) for row in code.matrix_iter(border=_QUIET_ZONE)]
    path = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            run = x
            while run < len(row) and row[run]:
                run += 1
            if run > x:
                path.append(f"M{x} {y}h{run - x}v1h{x - run}z")
            x = run + 1
    return len(rows), "".join(path)
