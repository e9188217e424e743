"""What is known of one answer while it is judged. It becomes the attempt's trace, whatever the outcome.

Nothing is prepared for it on the way: the trace is made once, at the end, from what judging had in its hands anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from llmops.base.email import domain_of
from llmops.broker import profiles, traces
from llmops.broker.connections import Connection
from llmops.broker.oidc import transcript as oidc
from llmops.broker.profiles import Reading
from llmops.broker.saml import transcript as saml
from llmops.broker.saml.response import Assertion
from llmops.broker.saml.response import Received as Response
from llmops.broker.saml.rules import Check
from llmops.broker.traces import Outcome, ProfileField, Received, Trace
from llmops.errors import Failure


class Evidence(Protocol):
    """What both protocols hand over. `secrets` must not get into the trace."""

    connection: Connection
    checks: list[Check]
    secrets: list[str]

    def received(self, *, longest: int) -> Received | None:
        """What arrived, with a message of at most `longest` characters; None if nothing could be read."""


@dataclass
class SamlEvidence:
    """A Response and, if it was accepted, what it asserts."""

    connection: Connection
    checks: list[Check] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    verified_domains: frozenset[str] = frozenset()
    response: Response | None = None
    assertion: Assertion | None = None

    def received(self, *, longest: int) -> Received | None:
        """Subject and attributes of the verified assertion, or else as they stand in the message."""
        if self.response is None:
            return None
        told = self.assertion or saml.told(self.response)
        subject, attributes = told.subject, told.attributes
        readings = profiles.readings(
            attributes, self.connection, subject=subject, verified_domains=self.verified_domains
        )
        return Received(
            protocol="SAML",
            verified=self.assertion is not None,
            subject=subject.value[: traces.LONGEST_VALUE] if subject else "",
            subject_format=subject.format[: traces.LONGEST_VALUE] if subject else "",
            values=traces.bounded(attributes),
            profile=_judged(readings, self.verified_domains),
            message=traces.bounded_message(saml.written(self.response, hides=traces.is_secret_name), longest=longest),
        )


@dataclass
class OidcEvidence:
    """An ID token and UserInfo's answer, as far as they came. `claims` are those that were checked, both together."""

    connection: Connection
    checks: list[Check] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    verified_domains: frozenset[str] = frozenset()
    id_token: str = field(default="", repr=False)
    userinfo: Mapping[str, object] | None = None
    claims: Mapping[str, object] | None = None

    def received(self, *, longest: int) -> Received | None:
        """The claims that were checked, or else those that the token carries."""
        if self._heard is None:
            return None
        header, said = self._heard
        claims = said if self.claims is None else self.claims
        harmless = oidc.harmless(claims, hides=traces.is_secret_name)
        readings = profiles.readings(profiles.texts_of(harmless), self.connection)
        message = oidc.written(header, said, self.userinfo, hides=traces.is_secret_name)
        return Received(
            protocol="OpenID Connect",
            verified=self.claims is not None,
            subject=str(said.get("sub", ""))[: traces.LONGEST_VALUE],
            subject_format="",
            values=traces.bounded({name: _as_texts(value) for name, value in harmless.items()}),
            profile=_judged(readings, self.verified_domains),
            message=traces.bounded_message(message, longest=longest),
        )

    def note(self, name: str, seen: object = "", expected: object = "") -> None:
        """Note a step that passed."""
        self.checks.append(Check(name, "passed", str(seen)[:500], str(expected)[:500]))

    @cached_property
    def _heard(self) -> tuple[Mapping[str, object], Mapping[str, object]] | None:
        return oidc.heard(self.id_token) if self.id_token else None


def refused(evidence: Evidence, failure: Failure) -> None:
    """Note the step that `failure` ended, unless judging has noted it already."""
    if not any(check.outcome == "refused" for check in evidence.checks):
        facts = failure.facts
        seen = facts.get("seen") or facts.get("problem", "")
        evidence.checks.append(Check(facts.get("check") or failure.code, "refused", seen, facts.get("expected", "")))


def trace(evidence: Evidence, facts: Mapping[str, str], *, longest: int = traces.LONGEST_MESSAGE) -> Trace:
    """The trace of an attempt; `facts` are those of the failure that ended it, if one did."""
    return Trace(tuple(evidence.checks), dict(facts), evidence.received(longest=longest))


def _judged(readings: Sequence[Reading], verified_domains: frozenset[str]) -> tuple[ProfileField, ...]:
    return tuple(
        ProfileField(
            reading.field,
            reading.name[: traces.LONGEST_NAME],
            traces.bounded_values(reading.values),
            _outcome(reading, verified_domains),
        )
        for reading in readings
    )


def _outcome(reading: Reading, verified_domains: frozenset[str]) -> Outcome:
    """How a field looks from here; only the e-mail address can be there and still be wrong."""
    if not reading.values:
        return "not sent" if reading.field == "groups" else "missing"
    if reading.field != "email":
        return "found"
    addresses = {address for value in reading.values if (address := profiles.address_in(value))}
    if len(addresses) != 1:
        return "several addresses" if addresses else "not an address"
    return "found" if domain_of(addresses.pop()) in verified_domains else "wrong domain"


def _as_texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(item if isinstance(item, str) else str(item) for item in values[: traces.MOST_VALUES + 1])
