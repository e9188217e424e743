"""What an attempt received and what was checked, for those who repair it: redacted, sealed, kept 30 days (SEC-05).

Bounded in length and number, because whoever knows an address can send what ends here (WEB-06). It holds no token,
code, key or signature: values that are secret are handed over, to be found and taken out wherever they stand.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmops.base.sealing import Sealer
from llmops.broker.saml.rules import Check

LONGEST_MESSAGE = 64 * 1024
LONGEST_UNMATCHED = 16 * 1024
"""Of an answer to no attempt of ours, which anybody can send."""
LONGEST_NAME = 200
LONGEST_VALUE = 500
MOST_NAMES = 100
MOST_VALUES = 50
_SHORTEST_SECRET = 6
_REMOVED = "[removed]"
_OUR_WORDS = frozenset({"outcome", "protocol", "field"})
_SECRET_NAME = re.compile(r"token|secret|password|passwd|credential|cookie|(?:private|api)[-_]?key", re.IGNORECASE)

Outcome = Literal["found", "missing", "not sent", "wrong domain", "not an address", "several addresses"]


@dataclass(frozen=True)
class ProfileField:
    """One field of our profile: the name under which it arrived ("" if it did not), its values, and our judgement."""

    field: str
    name: str
    values: tuple[str, ...]
    outcome: Outcome


@dataclass(frozen=True)
class Received:
    """What the identity provider said. Unless `verified` nobody knows whether it was the identity provider.

    `values` are the attributes or claims in their order, `message` the whole as indented XML or JSON.
    """

    protocol: Literal["SAML", "OpenID Connect"]
    verified: bool
    subject: str
    subject_format: str
    values: tuple[tuple[str, tuple[str, ...]], ...]
    profile: tuple[ProfileField, ...]
    message: str


@dataclass(frozen=True)
class Trace:
    """The steps in their order, the facts of the failure that ended them, if one did, and what was received."""

    checks: tuple[Check, ...] = ()
    facts: dict[str, str] | None = None
    received: Received | None = None


def is_secret_name(name: str) -> bool:
    """Whether an attribute, claim or member of this name holds what nobody should read."""
    return _SECRET_NAME.search(name) is not None


def bounded(attributes: Mapping[str, Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Attributes with their names, values and numbers of both cut to what is kept, and secrets taken out."""
    kept = []
    for name, values in list(attributes.items())[:MOST_NAMES]:
        shown = [_REMOVED] * min(len(values), 1) if is_secret_name(name) else values
        kept.append((name[:LONGEST_NAME], bounded_values(shown)))
    if len(attributes) > MOST_NAMES:
        kept.append((f"… and {len(attributes) - MOST_NAMES} more", ()))
    return tuple(kept)


def bounded_values(values: Sequence[str]) -> tuple[str, ...]:
    """Values cut in length and number."""
    kept = [_cut(value, LONGEST_VALUE) for value in values[:MOST_VALUES]]
    return tuple(kept + ([f"… and {len(values) - MOST_VALUES} more"] if len(values) > MOST_VALUES else []))


def bounded_message(text: str, *, longest: int = LONGEST_MESSAGE) -> str:
    """A message, cut to `longest` characters."""
    return text if len(text) <= longest else f"{text[:longest]}\n… cut after {longest} of {len(text)} characters"


def sealed(sealer: Sealer, login_id: str, trace: Trace, *, secrets: Collection[str] = ()) -> str:
    """The cell of a login that keeps its trace. `secrets` do not get into it, wherever they were said."""
    content = {
        "checks": [vars(check) for check in trace.checks],
        "facts": trace.facts or {},
        "received": _plain(trace.received) if trace.received else None,
    }
    wanted = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    # In a message that is JSON a secret stands escaped.
    forms = dict.fromkeys([*wanted, *(json.dumps(secret, ensure_ascii=False)[1:-1] for secret in wanted)])
    return sealer.seal(json.dumps(_without(content, forms), ensure_ascii=False), place=_place(login_id))


def opened(sealer: Sealer, login_id: str, cell: str | None) -> Trace:
    """The trace in a cell; an empty one for an attempt that has none."""
    if not cell:
        return Trace()
    content = json.loads(sealer.unseal(cell, place=_place(login_id)))
    checks = tuple(Check(**check) for check in content["checks"])
    return Trace(checks, content["facts"], _received(content.get("received")))


def _plain(received: Received) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies every text on its way."""
    return vars(received) | {"profile": [vars(field) for field in received.profile]}


def _received(content: dict[str, Any] | None) -> Received | None:
    if content is None:
        return None
    values = tuple((name, tuple(under)) for name, under in content["values"])
    profile = tuple(ProfileField(**(row | {"values": tuple(row["values"])})) for row in content["profile"])
    return Received(**(content | {"values": values, "profile": profile}))


def _without(content: Any, secrets: Collection[str]) -> Any:
    """The same texts, lists and objects, with the secrets taken out of every text that is not one of our own words."""
    if isinstance(content, str):
        for secret in secrets:
            content = content.replace(secret, _REMOVED)
        return content
    if isinstance(content, dict):
        return {name: kept if name in _OUR_WORDS else _without(kept, secrets) for name, kept in content.items()}
    return [_without(item, secrets) for item in content] if isinstance(content, list | tuple) else content


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"


def _place(login_id: str) -> str:
    return f"logins.trace:{login_id}"
