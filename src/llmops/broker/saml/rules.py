"""What one connection demands of a Response, and the steps by which it was judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from llmops.broker.saml.certificate import Certificate
from llmops.errors import Failure

WantSigned = Literal["any", "assertion", "response", "both"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The connection's side of every comparison; nothing here comes from the message or its HTTP request."""

    idp_entity_id: str
    sp_entity_id: str
    acs_url: str
    certificates: Sequence[Certificate]
    request_id: str | None = None  # of the pending AuthnRequest; None when there is none
    allow_unsolicited: bool = False
    known_since: datetime | None = None  # of those before it is not known which were used, if there are such
    want_signed: WantSigned = "any"
    decryption_keys: Sequence[RSAPrivateKey] = ()
    force_authn_at: datetime | None = None  # when we sent ForceAuthn, if we did
    authn_context: str | None = None  # the class the connection demands, if it does
    clock_allowance_seconds: int = 180

    @property
    def allowance(self) -> timedelta:
        """How far the identity provider's clock may be from ours, in either direction."""
        return timedelta(seconds=self.clock_allowance_seconds)


@dataclass(frozen=True)
class Check:
    """One step, for the trace that an IT administrator reads."""

    name: str
    outcome: Literal["passed", "refused"]
    seen: str
    expected: str


@dataclass
class Steps:
    """The steps so far; the first that fails ends the attempt."""

    done: list[Check] = field(default_factory=list)

    def require(
        self, name: str, satisfied: bool, failure: type[Failure], *, seen: object = "", expected: object = ""
    ) -> None:
        """Note the step as passed, or raise `failure` with the step's name and what was seen and expected."""
        if not satisfied:
            raise failure(check=name, seen=seen, expected=expected)
        self.passed(name, seen=seen, expected=expected)

    def passed(self, name: str, *, seen: object = "", expected: object = "") -> None:
        """Note a step that passed."""
        self.done.append(Check(name, "passed", str(seen)[:500], str(expected)[:500]))

    def refused(self, failure: Failure) -> None:
        """Note the step that `failure` ended."""
        facts = failure.facts
        name = facts.get("check") or failure.code
        seen = facts.get("seen") or facts.get("problem", "")
        self.done.append(Check(name, "refused", seen, facts.get("expected", "")))
