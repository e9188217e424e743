"""Which test proves which security requirement: collected while the tests run, printed as a table, gaps named.

`make security` runs the marked tests with `--requirements FILE`, then this file as a program.
"""

import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "docs" / "security" / "catalogue.toml"
PAGE = ROOT / "docs" / "security" / "requirements.md"
_MADE = "<!-- Written by `make security`; change the tests or catalogue.toml, not this page. -->\n\n"


@dataclass(frozen=True)
class Requirement:
    """One line of the catalogue. `later`, `unmet` and `document` say why no test need name it."""

    id: str
    text: str
    later: str = ""
    unmet: str = ""
    document: str = ""


@dataclass(eq=False)  # pytest keeps plugins in a set
class Collector:
    """A pytest plugin: notes the outcome of every marked test under each id."""

    file: Path
    outcomes: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let the ids travel with the report, also from xdist's workers."""
        for marker in item.iter_markers("requirement"):
            item.user_properties.extend(("requirement", name) for name in marker.args)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The call decides; a set-up that fails or is skipped decides too."""
        if report.when == "call" or report.outcome != "passed":
            for name, value in report.user_properties:
                if name == "requirement":
                    self.outcomes[str(value)][report.nodeid] = report.outcome

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Only the process that saw every report writes."""
        if not hasattr(session.config, "workerinput"):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.outcomes))


def catalogue() -> list[Requirement]:
    """Every requirement, in the catalogue's order."""
    sections = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return [
        Requirement(f"{section}-{number}", **({"text": line} if isinstance(line, str) else line))
        for section, lines in sections.items()
        for number, line in lines.items()
    ]


def gaps(requirements: Iterable[Requirement], outcomes: dict[str, dict[str, str]]) -> Iterator[str]:
    """What keeps the table from being whole: unknown ids, ids without a passing test, tests that failed."""
    known = {requirement.id: requirement for requirement in requirements}
    for name in sorted(outcomes.keys() - known.keys()):
        yield f"{name}: named by a test, but not in the catalogue"
    for requirement in known.values():
        results = outcomes.get(requirement.id, {})
        for test, outcome in sorted(results.items()):
            if outcome == "failed":
                yield f"{requirement.id}: {test} failed"
        excused = requirement.later or requirement.unmet or requirement.document
        if "passed" not in results.values() and not excused:
            yield f"{requirement.id}: no test names it · {requirement.text}"
        if requirement.document and not (ROOT / requirement.document).is_file():
            yield f"{requirement.id}: {requirement.document} is not there"


def page(requirements: Iterable[Requirement], outcomes: dict[str, dict[str, str]]) -> str:
    """docs/security/requirements.md: each id, what it demands, and where it is proven."""
    lines = ["# Security requirements and their tests\n", "| id | what must hold | proven by |", "| --- | --- | --- |"]
    for requirement in requirements:
        passed = [test for test, outcome in outcomes.get(requirement.id, {}).items() if outcome == "passed"]
        lines.append(f"| {requirement.id} | {requirement.text} | {_proof(requirement, passed)} |")
    return _MADE + "\n".join(lines) + "\n"


def _proof(requirement: Requirement, passed: list[str]) -> str:
    files = sorted({test.partition("::")[0].removeprefix("tests/") for test in passed})
    if files:
        count = f"{len(passed)} test{'s' if len(passed) > 1 else ''}"
        return f"{count} in {', '.join(f'`{file}`' for file in files)}"
    if requirement.document:
        return f"[{requirement.document}](/{requirement.document})"
    if requirement.later:
        return f"comes with {requirement.later}"
    return f"**not met yet.** {requirement.unmet}"


def main(results: Path) -> int:
    """Print the table and the gaps, write the page. Returns the exit status."""
    requirements, outcomes = catalogue(), json.loads(results.read_text())
    for requirement in requirements:
        tests = outcomes.get(requirement.id, {})
        failed = sum(outcome == "failed" for outcome in tests.values())
        excuse = requirement.later or requirement.unmet or requirement.document
        verdict = f"{len(tests)} tests" + (f", {failed} FAILED" if failed else "") if tests else excuse or "GAP"
        sys.stdout.write(f"{requirement.id:<8}  {verdict:<24.24}  {requirement.text}\n")
    PAGE.write_text(page(requirements, outcomes), encoding="utf-8")
    found = list(gaps(requirements, outcomes))
    sys.stdout.write("".join(f"\n{gap}" for gap in found) + f"\n{len(requirements)} requirements, {len(found)} gaps\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
