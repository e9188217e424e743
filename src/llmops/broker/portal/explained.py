"""One attempt, explained to whoever repairs it: what happened, received against expected, how to put it right.

The only place that words it: the portal's test result, Settings → Security and the staff console show the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from starlette.responses import Response

from llmops import errors
from llmops.base.outside import visible
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.logins import Login
from llmops.broker.portal import checklist, guide
from llmops.broker.portal.checklist import Line
from llmops.broker.portal.guide import Guide
from llmops.broker.traces import Outcome as FieldOutcome
from llmops.broker.traces import Received, Trace
from llmops.errors import Failure, NotFound, Unexpected

_SIDES = {
    "saml_wrong_issuer": ("Issuer in the message", "Entity ID of this connection"),
    "saml_wrong_audience": ("Audience in the message", "Our entity ID"),
    "saml_wrong_recipient": ("Recipient in the message", "Our ACS URL"),
    "saml_wrong_destination": ("Destination in the message", "Our ACS URL"),
    "saml_expired": ("Moment in the message", "Our clock"),
    "saml_not_yet_valid": ("Moment in the message", "Our clock"),
    "saml_key_unknown": ("The message was signed with the certificate", "Certificates of this connection"),
    "saml_signature_invalid": ("Certificate named in the message", "Certificates of this connection"),
    "idp_certificate_expired": ("Certificate named in the message", "Certificates of this connection"),
    "saml_signature_missing": ("Signed", "To be signed"),
    "saml_wrong_request": ("The message answers the request", "Our request"),
    "email_missing": ("Names that arrived", "Name that we look for"),
    "first_name_missing": ("Names that arrived", "Name that we look for"),
    "last_name_missing": ("Names that arrived", "Name that we look for"),
    "email_ambiguous": ("Addresses that arrived", "What we need"),
    "email_outside_domains": ("E-mail address that arrived", "Your verified domains"),
    "email_not_verified": ("email_verified", "What we need"),
    "oidc_wrong_issuer": ("Issuer that answered", "Issuer of this connection"),
    "oidc_wrong_audience": ("Audience of the ID token", "Our client ID"),
    "oidc_wrong_tenant": ("Company that answered", "Company of this connection"),
    "oidc_expired": ("Moment in the ID token", "Our clock"),
}
_MAPPED = {"email_missing": "email", "first_name_missing": "first_name", "last_name_missing": "last_name"}
_FACTS = {
    "status_message": "In the identity provider's own words",
    "description": "In the identity provider's own words",
    "error": "Its error code",
    "aadsts": "Microsoft's error number (AADSTS)",
    "problem": "What exactly",
    "not_after": "The certificate expired",
    "endpoint": "Address that we called",
    "url": "Address that we called",
    "because": "What happened there",
    "status": "It answered with status",
}
_FIELDS = {"email": "E-mail", "first_name": "First name", "last_name": "Last name", "groups": "Groups"}
_MARKABLE = frozenset({"saml_wrong_issuer", "saml_wrong_audience", "saml_wrong_recipient", "saml_wrong_destination",
                       "oidc_wrong_issuer", "oidc_wrong_audience", "oidc_wrong_tenant"})  # fmt: skip
MOST_SHOWN = 10
"""Of the values of one field; the rest is folded away."""

Outcome = Literal["passed", "failed", "open"]


@dataclass(frozen=True)
class Side:
    """One side of a comparison; `differing` is the part that the other side does not have."""

    label: str
    before: str
    differing: str
    after: str

    @property
    def whole(self) -> str:
        """The value in one piece."""
        return self.before + self.differing + self.after


@dataclass(frozen=True)
class Row:
    """One field of our profile: the name under which it arrived, its values, the rest of them, and our judgement."""

    label: str
    name: str
    values: tuple[str, ...]
    more: tuple[str, ...]
    outcome: FieldOutcome

    @property
    def good(self) -> bool:
        """Whether there is nothing to repair."""
        return self.outcome in ("found", "not sent")


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything that the template shows of one attempt; ready texts, none of them safe as HTML.

    `fixes` may hold the marks of web/markup.py. `compared` is empty or has two sides.
    """

    outcome: Outcome
    heading: str
    sentence: str
    advice: str
    repair: str
    provider: str
    compared: tuple[Side, ...]
    apart: str
    details: tuple[tuple[str, str], ...]
    fixes: tuple[str, ...]
    code: str
    reference: str
    at: datetime
    ours: tuple[tuple[str, str], ...]
    checks: tuple[Line, ...]
    profile: tuple[Row, ...]
    received: Received | None

    @property
    def report(self) -> str:
        """Plain text to be copied into a letter to support: no attribute, claim or name of a person is in it."""
        comparable = self.compared if self.code in _MARKABLE else ()
        lines = [
            f"{self.heading}: {self.sentence}".removesuffix(": "),
            f"Code: {self.code or 'none'}, reference: {self.reference or 'none'}",
            f"When: {self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, identity provider: {self.provider}",
            *(f"{side.label}: {side.whole}" for side in comparable),
            *(f"{label}: {value}" for label, value in self.ours),
            *(f"{'passed' if line.passed else 'FAILED'}  {line.label}" for line in self.checks),
        ]
        return "\n".join(visible(line) for line in lines)


def explain(login: Login, trace: Trace, connection: Connection, *, base_url: str, start_url: str = "") -> Explanation:
    """Explain an attempt. `connection` is the configuration by which it was judged.

    `start_url` is where the organization's people begin to sign in, for the texts of the guides.
    """
    facts = trace.facts or {}
    failure = (errors.by_code(login.code) or Unexpected) if login.code else None
    seen, expected = _seen_and_expected(login.code or "", trace, connection)
    outcome, heading = _outcome(login)
    return Explanation(
        outcome=outcome,
        heading=heading,
        sentence=failure.message if failure else "",
        advice=failure.advice if failure else "",
        repair=str(failure.repair) if failure else "",
        provider=provider_of(Kind(connection.kind)),
        compared=_compared(login.code or "", seen, expected),
        apart=checklist.apart(seen, expected),
        details=tuple(_details(facts)),
        fixes=_fixes(failure, connection, base_url=base_url, start_url=start_url),
        code=login.code or "",
        reference=login.ref or "",
        at=login.failed_at or login.answered_at or login.started_at,
        ours=_ours(connection, base_url) if failure else (),
        checks=checklist.lines(trace.checks, connection),
        profile=_rows(trace.received),
        received=trace.received,
    )


def provider_of(kind: Kind) -> str:
    """What the identity provider is called in a sentence."""
    vendor = guide.of(kind).vendor
    return "your identity provider" if vendor.startswith("Any ") else vendor


def guide_for(connection: Connection, *, base_url: str, start_url: str = "") -> Guide:
    """The guide to the connection's identity provider, with this connection's values in it."""
    address_id = drafts.address_id(connection)
    ours = connections.addresses(base_url, address_id)
    values = guide.values(ours, connection_id=address_id, start_url=start_url or f"{base_url}/login")
    return guide.of(Kind(connection.kind)).filled(values)


def message_file(explained: Explanation) -> Response:
    """The message that arrived, as a file; what cannot be seen in it is spelt out (WEB-06). Raises: NotFound."""
    if explained.received is None:
        raise NotFound()
    text = "\n".join(visible(line) for line in explained.received.message.split("\n"))
    name = "response.xml.txt" if explained.received.protocol == "SAML" else "claims.json.txt"
    return Response(text, media_type="text/plain", headers={"content-disposition": f'attachment; filename="{name}"'})


def _outcome(login: Login) -> tuple[Outcome, str]:
    """How it ended, and the heading."""
    what = "Test" if login.how == "test" else "Sign-in"
    if login.code is not None:
        return "failed", f"{what} failed"
    if login.redeemed_at is not None:
        return "passed", f"{what} passed" if login.how == "test" else "Signed in"
    return "open", f"{what} without an answer so far"


def _seen_and_expected(code: str, trace: Trace, connection: Connection) -> tuple[str, str]:
    """What arrived and what should have; for OpenID Connect's times the moment in question and our clock."""
    facts = trace.facts or {}
    if code == "oidc_expired":
        name = facts.get("problem", "").split(" ")[0]
        return _as_moment(facts.get(name, "")), _as_moment(facts.get("now", ""))
    seen, expected = facts.get("seen", ""), facts.get("expected", "")
    if code in _MAPPED:
        expected = connection.attribute_map.get(_MAPPED[code], expected)
        seen = ", ".join(name for name, _ in trace.received.values) if trace.received else seen
    return seen, expected


def _as_moment(seconds: str) -> str:
    try:
        return str(datetime.fromtimestamp(int(float(seconds)), UTC))
    except (ValueError, OverflowError, OSError):
        return seconds


def _compared(code: str, seen: str, expected: str) -> tuple[Side, ...]:
    """Both sides, the differing part marked where a person would have to search for it."""
    if not seen and not expected:
        return ()
    labels = _SIDES.get(code, ("Received", "Expected"))
    texts = [checklist.readable(text) or "nothing" for text in (seen, expected)]
    if code not in _MARKABLE or not seen or not expected:
        return tuple(Side(label, text, "", "") for label, text in zip(labels, texts, strict=True))
    start = _alike(*texts)
    end = _alike(*(text[start:][::-1] for text in texts))
    return tuple(
        Side(label, text[:start], text[start : len(text) - end], text[len(text) - end :])
        for label, text in zip(labels, texts, strict=True)
    )


def _alike(first: str, second: str) -> int:
    """How many characters two texts have in common from their beginning."""
    return next(
        (place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(map(len, (first, second))),
    )


def _details(facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, label in _FACTS.items():
        if facts.get(name) not in (None, "", "None"):
            yield label, checklist.readable(facts[name])


def _fixes(failure: type[Failure] | None, connection: Connection, *, base_url: str, start_url: str) -> tuple[str, ...]:
    """The steps in the identity provider's own words, with this connection's values in them; else our own advice."""
    if failure is None:
        return ()
    steps = guide_for(connection, base_url=base_url, start_url=start_url).fixes.get(failure.code, ())
    return tuple(steps) or ((failure.advice,) if failure.advice else ())


def _ours(connection: Connection, base_url: str) -> tuple[tuple[str, str], ...]:
    """The values of ours that stand in the identity provider's console."""
    ours = connections.addresses(base_url, drafts.address_id(connection))
    if Kind(connection.kind).is_saml:
        return ("ACS URL", ours.acs_url), ("SP entity ID", ours.sp_entity_id)
    return ("Redirect URI", ours.redirect_uri), ("Client ID", connection.client_id or "")


def _rows(received: Received | None) -> tuple[Row, ...]:
    return tuple(
        Row(_FIELDS.get(one.field, one.field), one.name, one.values[:MOST_SHOWN], one.values[MOST_SHOWN:], one.outcome)
        for one in (received.profile if received else ())
    )
