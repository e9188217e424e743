"""Write docs/security/other-libraries.md, what other libraries decide differently: `page.py VECTORS VERDICTS`.

A difference without a reason in reasons.toml is an error, and so is a reason that nothing needs.
"""

import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security" / "other-libraries.md"
REASONS = Path(__file__).with_name("reasons.toml")
VICTIM = "owner@acme.test"

_HEAD = """# What other libraries decide differently

<!-- Written by `make judges` from tests/judges; change the vectors or reasons.toml, not this page. -->

The vectors of our tests, judged by libraries that others keep, in an environment of their own: same message,
certificate, addresses, request and clock. Where a library and we decide differently, the reason stands here. SAML
vectors come in several styles of signing and encrypting; a vector counts as different when one of its styles does, and
those styles are named in brackets unless it is all of them.

"""
_SIDES = {
    "accepts": "It accepts, we refuse",
    "refuses": "It refuses, we accept",
    "reads": "Both accept, and it reads somebody else",
}


@dataclass(frozen=True)
class Reason:
    """Why a library and we differ on the vectors whose names match one of `vectors` (with * for any text)."""

    library: str
    side: str
    vectors: tuple[str, ...]
    why: str

    def explains(self, library: str, side: str, name: str) -> bool:
        """Whether this reason is about that difference."""
        mine = (self.library, self.side) == (library, side)
        return mine and any(fnmatchcase(name, pattern) for pattern in self.vectors)


@dataclass(frozen=True)
class Difference:
    """A vector on which a library and we differ, in which of the styles in which it was judged."""

    name: str
    side: str
    styles: tuple[str, ...]
    everywhere: bool
    reads: str

    def shown(self) -> str:
        """As the page lists it."""
        styles = "" if self.everywhere or self.styles == ("",) else f" ({', '.join(self.styles)})"
        victim = " **and reads the victim**" if self.reads == VICTIM else ""
        return f"`{self.name}`{styles}{victim}"


def reasons() -> list[Reason]:
    """Those of reasons.toml."""
    listed = tomllib.loads(REASONS.read_text(encoding="utf-8"))["reason"]
    return [Reason(one["library"], one["side"], tuple(one["vectors"]), one["why"]) for one in listed]


def differences(ours: Mapping[tuple[str, str], str | None], judged: Iterable[Mapping[str, Any]]) -> list[Difference]:
    """One library's differences, a line for each vector and side."""
    styles: dict[str, list[str]] = defaultdict(list)
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for verdict in judged:
        name, style, reads = verdict["name"], verdict["style"], verdict["reads"]
        styles[name].append(style)
        mine = ours[name, style]
        side = _side(mine, reads)
        if side:
            found[name, side].append((style, reads or ""))
    return [
        Difference(name, side, tuple(style for style, _ in where), len(where) == len(styles[name]), where[0][1])
        for (name, side), where in found.items()
    ]


def _side(mine: str | None, reads: str | None) -> str:
    if mine == reads:
        return ""
    if mine is None:
        return "accepts"
    return "refuses" if reads is None else "reads"


def page(known: Mapping[str, Any], verdicts: Mapping[str, Any], told: list[Reason]) -> tuple[str, list[str]]:
    """The page, and what keeps it from being whole: differences without a reason, reasons without a difference."""
    ours = {
        (vector["name"], vector.get("style", "")): vector["reads"]
        for vector in [*known["responses"], *known["id_tokens"]]
    }
    messages, tokens = len({v["name"] for v in known["responses"]}), len(known["id_tokens"])
    text = [_HEAD, f"{messages} SAML vectors in {len(known['responses'])} messages, {tokens} ID tokens.\n"]
    gaps, used = [], set()
    for library, result in verdicts.items():
        if "missing" in result:
            text.append(f"\n## {library}\n\nNot judged here: {result['missing']}.\n")
            used |= {reason for reason in told if reason.library == library}
            continue
        found = differences(ours, result["judged"])
        total = len({verdict["name"] for verdict in result["judged"]})
        text.append(f"\n## {library} {result['version']}\n\n{_summary(total, found)}\n")
        for side, title in _SIDES.items():
            here = [one for one in found if one.side == side]
            grouped: dict[Reason, list[Difference]] = defaultdict(list)
            for one in here:
                reason = next((reason for reason in told if reason.explains(library, side, one.name)), None)
                if reason is None:
                    gaps.append(f"{library} {side}: {one.name} {one.styles} has no reason")
                else:
                    grouped[reason].append(one)
            used |= grouped.keys()
            if here:
                text.append(f"\n### {title}\n\n")
            text += [f"- {reason.why}\n  {_listed(grouped[reason])}\n" for reason in told if reason in grouped]
    gaps += [f"{reason.library} {reason.side}: nothing needs «{reason.why}»" for reason in told if reason not in used]
    return "".join(text), gaps


def _summary(total: int, found: list[Difference]) -> str:
    counts = {side: sum(one.side == side for one in found) for side in _SIDES}
    different = len({one.name for one in found})
    return (
        f"{total} vectors judged, {total - different} alike. It accepts {counts['accepts']} that we refuse, "
        f"and refuses {counts['refuses']} that we accept."
    )


def _listed(found: list[Difference]) -> str:
    return ", ".join(sorted(one.shown() for one in found)) + "."


def main(vectors: Path, verdicts: Path) -> int:
    """Write the page and print the gaps. Returns the exit status."""
    text, gaps = page(json.loads(vectors.read_text()), json.loads(verdicts.read_text()), reasons())
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write("".join(f"{gap}\n" for gap in gaps))
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
