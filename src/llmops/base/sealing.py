"""Encrypt what must be read back, hash what is only compared, derive a key for each purpose.

`Sealer` is made from the operator's secret keys: the first encrypts, all decrypt, so that a key can be changed
without losing what the old one sealed. Associated data names table, column and row, so that a sealed cell put
into another row does not open (SEC-01).
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from llmops.errors import SecretKeyMismatch

_NONCE_BYTES = 12
_KEY_ID_BYTES = 4


def token() -> str:
    """256 random bits in URL-safe letters, for codes, links and cookies."""
    return secrets.token_urlsafe(32)


def same(left: str, right: str) -> bool:
    """Whether two texts are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


@dataclass(frozen=True)
class Sealer:
    """Keys for every purpose, derived from the operator's secret keys (each at least 32 characters)."""

    secret_keys: tuple[str, ...] = field(repr=False)
    _ciphers: dict[bytes, AESGCM] = field(init=False, repr=False, default_factory=dict)
    _hash_key: bytes = field(init=False, repr=False, default=b"")
    _current: bytes = field(init=False, repr=False, default=b"")

    def __post_init__(self) -> None:
        for secret in self.secret_keys:
            key = _derive(secret, "seal")
            self._ciphers[_key_id(key)] = AESGCM(key)
        object.__setattr__(self, "_current", _key_id(_derive(self.secret_keys[0], "seal")))
        # Hashes are looked up, so there is one key for them: the oldest, which every replica has.
        object.__setattr__(self, "_hash_key", _derive(self.secret_keys[-1], "hash"))

    def hashed(self, purpose: str, value: str) -> str:
        """A keyed hash of a token, to be stored and looked up in its place: 64 hexadecimal letters."""
        return hmac.new(self._hash_key, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()

    def seal(self, value: str, *, place: str) -> str:
        """Encrypt `value` for `place` (for example `connections.client_secret:conn_1`). URL-safe text."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, value.encode(), place.encode())
        return base64.urlsafe_b64encode(self._current + nonce + sealed).decode()

    def unseal(self, sealed: str, *, place: str) -> str:
        """What `seal` was given. Raises: SecretKeyMismatch, when no key of ours opens it at this place."""
        try:
            raw = base64.urlsafe_b64decode(sealed)
        except ValueError:
            raise SecretKeyMismatch(place=place, problem="not what was sealed") from None
        key_id, nonce, body = (
            raw[:_KEY_ID_BYTES],
            raw[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES],
            raw[_KEY_ID_BYTES + _NONCE_BYTES :],
        )
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SecretKeyMismatch(place=place)
        try:
            return cipher.decrypt(nonce, body, place.encode()).decode()
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            raise SecretKeyMismatch(place=place) from None


def _derive(secret: str, purpose: str) -> bytes:
    """A 256-bit key for one purpose. Source: RFC 5869."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"llmops/" + purpose.encode()).derive(secret.encode())


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"id" + key).digest()[:_KEY_ID_BYTES]
