"""Passwords: set, check, re-hash. Common ones are refused by a list that needs no internet."""

import unicodedata
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base, Db
from llmops.errors import PasswordTooCommon, PasswordTooLong, PasswordTooShort

SHORTEST = 15
LONGEST_BYTES = 1024
_PRODUCT_WORDS = ("llmops", "cloudidr", "singlesignon", "enterprise")
_HASHER = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)  # KiB; OWASP's second choice, 26 ms
_AT_ONCE = BoundedSemaphore(8)  # 8 x 19 MiB: a crowd at the door must not use up the memory (PWD-04)
# The hash of random bytes that nobody kept, with the parameters above: checking it takes as long as any other.
_DUMMY = "$argon2id$v=19$m=19456,t=2,p=1$mR2/GCYGa3PHowkl3P9pUw$Y3Q0PzD0u81jrGM2QDSmt7fJIsw7a5qOTnHHw3uI61o"


class Password(Base):
    """A person's password, as an Argon2id hash. Who has none signs in through SSO only."""

    __tablename__ = "passwords"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[str]
    set_at: Mapped[datetime]


def hashed(password: str, *, context: tuple[str, ...]) -> str:
    """The hash of a new password. `context` holds the person's own words: address, name, company.

    Raises: PasswordTooShort, PasswordTooLong, PasswordTooCommon. Source: NIST SP 800-63B-4 §3.1.1.2; PWD-01…04.
    """
    normal = _normal(password)
    if len(normal) < SHORTEST:
        raise PasswordTooShort(seen=f"{len(normal)} characters", expected=SHORTEST)
    if len(normal.encode()) > LONGEST_BYTES:
        raise PasswordTooLong(expected=LONGEST_BYTES)
    if _is_guessable(normal, context):
        raise PasswordTooCommon()
    with _AT_ONCE:
        return _HASHER.hash(normal)


def store(db: Db, user_id: str, *, password_hash: str, now: datetime) -> None:
    """Give a person this password, in place of any before."""
    changed = db.execute(update(Password).where(Password.user_id == user_id).values(hash=password_hash, set_at=now))
    if not changed.rowcount:
        db.execute(insert(Password).values(user_id=user_id, hash=password_hash, set_at=now))


def find(db: Db, user_id: str) -> str | None:
    """The stored hash, or None when the person has no password."""
    return db.execute(select(Password.hash).where(Password.user_id == user_id)).scalar_one_or_none()


def still(db: Db, user_id: str, *, password_hash: str) -> bool:
    """Whether the hash that was checked is still the stored one; until the transaction ends nobody changes it.

    Checking takes a while. A reset that came in between must not lose to the password that it replaced (SES-11).
    """
    stored = db.execute(select(Password.hash).where(Password.user_id == user_id).with_for_update()).scalar_one_or_none()
    return stored == password_hash


def remove(db: Db, user_id: str) -> None:
    """The person has no password from now on."""
    db.execute(delete(Password).where(Password.user_id == user_id))


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed. Takes as long when there is none (PWD-05)."""
    normal = _normal(password)[: LONGEST_BYTES * 2]
    with _AT_ONCE:
        try:
            _HASHER.verify(password_hash or _DUMMY, normal)
        except VerificationError:
            return False
    return password_hash is not None


def rehash_if_old(db: Db, user_id: str, *, password_hash: str, password: str, now: datetime) -> None:
    """Hash anew with today's parameters, after a sign-in with yesterday's."""
    if _HASHER.check_needs_rehash(password_hash):
        with _AT_ONCE:
            fresh = _HASHER.hash(_normal(password))
        store(db, user_id, password_hash=fresh, now=now)


def _normal(password: str) -> str:
    """The same normalisation when setting and when checking; nothing else is changed (PWD-02)."""
    return unicodedata.normalize("NFKC", password)


def _is_guessable(password: str, context: tuple[str, ...]) -> bool:
    """A common password, one character or word again and again, or little beside the person's own words (PWD-03)."""
    common = _common()
    rest = "".join(character for character in password.lower() if character.isalnum())
    if not rest or len(set(rest)) < 5 or rest in common:
        return True
    for size in range(1, len(rest) - 3):
        again_and_again = (rest[:size] * len(rest))[: len(rest)] == rest
        if again_and_again and (size < 8 or rest[:size] in common):
            return True
    for word in (*_PRODUCT_WORDS, *(part for text in context for part in _words(text))):
        rest = rest.replace(word, "")
    return len(rest) < 8 or rest in common or rest.strip("0123456789") in common


@cache
def _common() -> frozenset[str]:
    """The 30,000 most common passwords that zxcvbn knows, read from the one file that lists them.

    Importing zxcvbn would also build the tables of its estimator, 10 MiB in every process, which nobody here uses.
    """
    package = find_spec("zxcvbn")
    assert package is not None, "it is a dependency"
    lists = run_path(str(Path(package.origin or "").with_name("frequency_lists.py")))
    return frozenset(lists["FREQUENCY_LISTS"]["passwords"])


def _words(text: str) -> list[str]:
    parts = "".join(character if character.isalnum() else " " for character in text.lower()).split()
    return [part for part in parts if len(part) >= 3]
