"""What somebody pasted or typed instead of what was asked for, and what to do about it: guides/mistakes.toml.

The failures say what was found (`problem`, or `reason` for a call that failed); only the data file has the sentences.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmops.base.outside import visible
from llmops.broker.portal import guide
from llmops.errors import ClientInvalid, Failure, MetadataInvalid, OidcDiscoveryInvalid, OutboundFailure

LONGEST_FACT = 200
_FACT = re.compile(r"\{(seen|expected)\}")
_SECTIONS: dict[type[Failure], str] = {
    MetadataInvalid: "metadata",
    ClientInvalid: "client",
    OidcDiscoveryInvalid: "discovery",
    OutboundFailure: "outbound",
}


@dataclass(frozen=True)
class Mistake:
    """What it is, what we saw, what to do. `choices`: entity IDs of which one is to be chosen."""

    title: str
    seen: str
    fix: str
    choices: tuple[str, ...] = ()


def mistake_of(failure: Failure) -> Mistake:
    """The words for a failure of `reading`. A problem without words of its own keeps the failure's own."""
    text = known().get(key_of(failure))
    if text is None:
        return Mistake(failure.message, "", failure.advice)
    facts = {name: visible(value)[:LONGEST_FACT] for name, value in failure.facts.items()}
    title, seen, fix = (_FACT.sub(lambda match: facts.get(match[1], ""), part) for part in text)
    return Mistake(title, seen, fix, _choices(failure))


def key_of(failure: Failure) -> str:
    """Where the failure's words are: `metadata.html_page`. Of «issuer: not https» the part before the colon counts."""
    section = next((name for kind, name in _SECTIONS.items() if isinstance(failure, kind)), "")
    problem = failure.facts.get("reason" if section == "outbound" else "problem", "")
    if problem == "content-type" and "html" in failure.facts.get("seen", "").lower():
        problem = "web-page"
    key = f"{section}.{problem}"
    return key if key in known() else key.partition(":")[0]


@cache
def known() -> Mapping[str, tuple[str, str, str]]:
    """Section and problem → title, seen, fix."""
    return words(guide.load("mistakes.toml"))


def words(raw: Mapping[str, Any]) -> dict[str, tuple[str, str, str]]:
    """The same out of a data file. Raises: guide.GuideInvalid, when it is wrong."""
    found: dict[str, tuple[str, str, str]] = {}
    for section, entries in raw.items():
        for problem, entry in entries.items():
            if entry.keys() - {"also"} != {"title", "seen", "fix"}:
                raise guide.GuideInvalid(f"mistakes.toml: {section}.{problem}")
            for name in (problem, *entry.get("also", ())):
                if f"{section}.{name}" in found:
                    raise guide.GuideInvalid(f"mistakes.toml: {section}.{name} twice")
                found[f"{section}.{name}"] = (entry["title"], entry["seen"], entry["fix"])
    return found


def _choices(failure: Failure) -> tuple[str, ...]:
    """The entity IDs to choose from; the last one may have been cut off with the fact."""
    listed = failure.facts.get("entity_ids", "")
    names = listed.split(" ") if listed else []
    return tuple(names[:-1] if len(listed) >= 500 else names)
