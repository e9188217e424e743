"""Identifiers: a prefix that says what it is, then 130 random bits. References for people to read out: 40 bits."""

import secrets
from typing import Literal

Prefix = Literal[
    "org", "dom", "user", "om", "inv", "conn", "login", "ident", "sess", "key", "once", "audit", "job",
    "plink", "psess", "sale", "staff", "ssess", "totp", "code", "note", "pend",
]  # fmt: skip

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def new(prefix: Prefix) -> str:
    """A fresh id, for example `conn_6d8k…` (prefix, underscore, 26 characters)."""
    return prefix + "_" + _letters(26)


def reference() -> str:
    """A short reference for a failed attempt, for example `K7QF-2M4X`: safe to read out, paste and search for."""
    letters = _letters(8).upper()
    return letters[:4] + "-" + letters[4:]


def _letters(count: int) -> str:
    number = secrets.randbits(5 * count)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(0, 5 * count, 5))
