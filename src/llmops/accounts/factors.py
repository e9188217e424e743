"""Second factors: time-based one-time passwords (TOTP) and recovery codes, for people and for staff.

A code counts once (the last step used is remembered), recovery codes are hashed and spent once (PWD-14).
Source: RFC 6238; RFC 4226 §7.
"""

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

import pyotp
from sqlalchemy import delete, or_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import FormExpired, SecondFactorWrong

STEP_SECONDS = 30
RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another


class Factor(Base):
    """The TOTP of one holder (a user's or a staff member's id). It counts from `confirmed_at` on."""

    __tablename__ = "second_factors"

    holder_id: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[str]  # sealed
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int | None]


class RecoveryCode(Base):
    """One code on the holder's paper, as a keyed hash."""

    __tablename__ = "recovery_codes"

    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = mapped_column(index=True)
    code_hash: Mapped[str]
    used_at: Mapped[datetime | None]


def begin(db: Db, sealer: Sealer, holder_id: str, *, now: datetime) -> str:
    """A new secret in base 32, to be shown as a QR code. It counts once a code of it was confirmed.

    While it waits, a factor that was confirmed before must have been removed: see `remove`.

    Raises: FormExpired, when another window begins or confirms one at this moment.
    """
    secret = pyotp.random_base32()
    db.execute(delete(Factor).where(Factor.holder_id == holder_id, Factor.confirmed_at.is_(None)))
    try:
        add(db, Factor, holder_id=holder_id, secret=sealer.seal(secret, place=_place(holder_id)), created_at=now)
    except IntegrityError:
        raise FormExpired(problem="another window was faster", holder=holder_id) from None
    return secret


def waiting(db: Db, sealer: Sealer, holder_id: str) -> str | None:
    """The secret that waits to be confirmed, or None."""
    found = find(db, Factor, holder_id=holder_id)
    return sealer.unseal(found.secret, place=_place(holder_id)) if found and found.confirmed_at is None else None


def confirm(db: Db, sealer: Sealer, holder_id: str, *, code: str, now: datetime) -> Sequence[str]:
    """The holder's app shows the right code: the factor counts from now on. Returns the recovery codes, in clear once.

    Only the secret whose code it is: another window may have put a new one in its place meanwhile.

    Raises: SecondFactorWrong.
    """
    found = find(db, Factor, holder_id=holder_id)
    if found is None or found.confirmed_at is not None:
        raise SecondFactorWrong(problem="nothing waits to be confirmed")
    step = _matching_step(sealer.unseal(found.secret, place=_place(holder_id)), code, now)
    proven = {"holder_id": holder_id, "secret": found.secret, "confirmed_at": None}
    if step is None or change(db, Factor, proven, confirmed_at=now, last_step=step) != 1:
        raise SecondFactorWrong()
    return new_codes(db, sealer, holder_id)


def enrolled(db: Db, holder_id: str) -> bool:
    """Whether the holder has a second factor that counts."""
    found = find(db, Factor, holder_id=holder_id)
    return found is not None and found.confirmed_at is not None


def check(db: Db, sealer: Sealer, holder_id: str, *, code: str, now: datetime) -> bool:
    """A code of the app, or a recovery code. True when it was a recovery code. Of two at one moment one wins.

    The caller limits the tries. Raises: SecondFactorWrong.
    """
    found = find(db, Factor, holder_id=holder_id)
    if found is None or found.confirmed_at is None:
        raise SecondFactorWrong(problem="no second factor")
    step = _matching_step(sealer.unseal(found.secret, place=_place(holder_id)), code, now)
    if step is None:
        _spend_recovery_code(db, sealer, holder_id, code, now)
        return True
    table = Factor.table()
    unused = or_(table.c.last_step.is_(None), table.c.last_step < step)
    won = db.execute(update(table).where(table.c.holder_id == holder_id, unused).values(last_step=step))
    if won.rowcount != 1:
        raise SecondFactorWrong(problem="used before")
    return False


def fits(db: Db, sealer: Sealer, holder_id: str, *, code: str, now: datetime) -> bool:
    """Whether `check` would take this code. It spends nothing: for forms that must not tell which part was wrong."""
    found = find(db, Factor, holder_id=holder_id)
    counts = found is not None and found.confirmed_at is not None
    step = _matching_step(sealer.unseal(found.secret, place=_place(holder_id)), code, now) if found else None
    unspent = find(db, RecoveryCode, holder_id=holder_id, code_hash=_code_hash(sealer, holder_id, code))
    if found is not None and step is not None:
        return counts and (found.last_step is None or found.last_step < step)
    return counts and unspent is not None and unspent.used_at is None


def remove(db: Db, holder_id: str) -> None:
    """The holder has no second factor and no recovery codes from now on."""
    db.execute(delete(Factor).where(Factor.holder_id == holder_id))
    db.execute(delete(RecoveryCode).where(RecoveryCode.holder_id == holder_id))


def new_codes(db: Db, sealer: Sealer, holder_id: str) -> Sequence[str]:
    """Ten fresh recovery codes, in clear this once; the ones before are void."""
    db.execute(delete(RecoveryCode).where(RecoveryCode.holder_id == holder_id))
    codes = ["-".join(_letters(5) for _ in range(3)) for _ in range(RECOVERY_CODES)]
    for code in codes:
        hashed = _code_hash(sealer, holder_id, code)
        add(db, RecoveryCode, id=ids.new("code"), holder_id=holder_id, code_hash=hashed)
    return codes


def codes_left(db: Db, holder_id: str) -> int:
    """How many recovery codes are unspent."""
    unspent = RecoveryCode.rows().where(RecoveryCode.holder_id == holder_id, RecoveryCode.used_at.is_(None))
    return len(many(db, RecoveryCode, unspent))


def void_all(db: Db, *, now: datetime) -> None:
    """No code that an app shows now counts, nor one that it showed before (SEC-09)."""
    db.execute(update(Factor).values(last_step=int(now.timestamp()) // STEP_SECONDS + 1))


def address(secret: str, *, account: str, issuer: str) -> str:
    """The otpauth: address that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def reseal(db: Db, sealer: Sealer) -> int:
    """Seal every secret with the current secret key. Returns how many there are."""
    factors = many(db, Factor, Factor.rows())
    for factor in factors:
        place = _place(factor.holder_id)
        fresh = sealer.seal(sealer.unseal(factor.secret, place=place), place=place)
        change(db, Factor, {"holder_id": factor.holder_id}, secret=fresh)
    return len(factors)


def _matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is: the present one, the one before or the one after (RFC 6238 §5.2)."""
    typed = "".join(code.split())
    present = int(now.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode()):
            found = step
    return found


def _spend_recovery_code(db: Db, sealer: Sealer, holder_id: str, code: str, now: datetime) -> None:
    hashed = _code_hash(sealer, holder_id, code)
    if change(db, RecoveryCode, {"holder_id": holder_id, "code_hash": hashed, "used_at": None}, used_at=now) != 1:
        raise SecondFactorWrong()


def _code_hash(sealer: Sealer, holder_id: str, code: str) -> str:
    typed = "".join(code.lower().split())
    return sealer.hashed("recovery", f"{holder_id}\0{typed}")


def _letters(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def _place(holder_id: str) -> str:
    return f"second_factors.secret:{holder_id}"
