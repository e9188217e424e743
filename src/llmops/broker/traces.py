"""What an attempt received and what was checked, for those who repair it: redacted, sealed, kept 30 days (SEC-05)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from llmops.base.sealing import Sealer
from llmops.broker.saml.rules import Check


@dataclass(frozen=True)
class Trace:
    """The steps in their order, and the facts of the failure that ended them, if one did."""

    checks: tuple[Check, ...] = ()
    facts: dict[str, str] | None = None


def sealed(sealer: Sealer, login_id: str, trace: Trace) -> str:
    """The cell of a login that keeps its trace."""
    content = {"checks": [vars(check) for check in trace.checks], "facts": trace.facts or {}}
    return sealer.seal(json.dumps(content), place=_place(login_id))


def opened(sealer: Sealer, login_id: str, cell: str | None) -> Trace:
    """The trace in a cell; an empty one for an attempt that has none."""
    if not cell:
        return Trace()
    content = json.loads(sealer.unseal(cell, place=_place(login_id)))
    return Trace(tuple(Check(**check) for check in content["checks"]), content["facts"])


def of_steps(checks: Sequence[Check], facts: dict[str, str]) -> Trace:
    """The trace of an attempt that went through these steps."""
    return Trace(tuple(checks), facts)


def _place(login_id: str) -> str:
    return f"logins.trace:{login_id}"
