"""One named change to a valid Response, and what must become of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from lxml import etree
from saml import build
from saml.keys import Signer, signer
from saml.sign import encrypt

ALL = build.STYLES
PLAIN = ("assertion", "both", "response", "unsolicited")
ENCRYPTED = ("encrypted", "encrypted-both", "encrypted-response")
ASSERTION_SIGNED = ("assertion", "both", "unsolicited")
"""The Assertion is signed and can be seen."""
RESPONSE_SIGNED = ("response", "both", "encrypted-response", "encrypted-both")
ASKED = tuple(style for style in ALL if style != "unsolicited")
"""Somebody asked for it, so it says which request it answers."""


@dataclass(frozen=True)
class Vector:
    """A valid Response of each of `styles`, changed `before` or `after` it is signed, or in its `octets`.

    `code` is that of the one failure with which it must be refused, empty where it must be accepted: a change that
    means nothing. `reason` is the failure's `problem` or `check`. `door` is the code at the ACS, where that is another
    one, because the Response could not be matched to an attempt. `by` signs, and `pinned` is whose certificate the
    connection has. `then_encrypted`: what came of it is encrypted to us, which anybody can, since our key is public.
    """

    name: str
    code: str
    proves: tuple[str, ...]
    styles: tuple[str, ...]
    before: Sequence[build.Change] = ()
    after: Sequence[build.Change] = ()
    octets: Callable[[bytes], bytes] = field(default=lambda octets: octets)
    signing: Mapping[str, Any] = field(default_factory=dict)
    encrypting: Mapping[str, Any] = field(default_factory=dict)
    then_encrypted: bool = False
    by: Callable[[], Signer] = signer
    pinned: Callable[[], Signer] = signer
    want_signed: str = "any"
    reason: str = ""
    door: str = ""

    def make(
        self,
        style: str,
        *,
        base: etree._Element | None = None,
        signing: Mapping[str, Any] | None = None,
        to: RSAPublicKey | None = None,
    ) -> bytes:
        """The message, made of `base` or of the usual template. `signing` is how the vendor of `base` signs."""
        recipient = to or signer("sp").public
        last = [lambda root: encrypt(build.at("Assertion", root), recipient)] if self.then_encrypted else []
        root = build.build(
            style,
            base=base,
            before=self.before,
            after=[*self.after, *last],
            by=self.by(),
            to=recipient,
            signing={**(signing or {}), **self.signing},
            encrypting=dict(self.encrypting),
        )
        return self.octets(etree.tostring(root))

    def rules(self, style: str) -> dict[str, Any]:
        """What the connection has, other than usual, for `build.rules`."""
        changes: dict[str, Any] = {"certificates": (self.pinned().certificate,), "want_signed": self.want_signed}
        return changes | ({"request_id": None, "allow_unsolicited": True} if style == "unsolicited" else {})
