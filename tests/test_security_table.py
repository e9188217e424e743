"""The table of security requirements tells the truth: what is missing, unknown or failed is a gap."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.requirements import ROOT, Requirement, catalogue, gaps, page

ONE = Requirement("SAML-01", "one")


@pytest.mark.parametrize(
    ("requirement", "outcomes", "found"),
    [
        (ONE, {"SAML-01": {"t::a": "passed"}}, None),
        (ONE, {}, "no test names it"),
        (ONE, {"SAML-01": {"t::a": "skipped"}}, "no test names it"),
        (ONE, {"SAML-01": {"t::a": "passed", "t::b": "failed"}}, "t::b failed"),
        (ONE, {"SAML-01": {"t::a": "passed"}, "SAML-99": {"t::a": "passed"}}, "not in the catalogue"),
        (Requirement("SAML-40", "x", later="single logout"), {}, None),
        (Requirement("PWD-10", "x", unmet="because"), {}, None),
        (Requirement("NET-09", "x", document="docs/nowhere.md"), {}, "is not there"),
    ],
)
def test_gaps_are_named(requirement: Requirement, outcomes: dict[str, dict[str, str]], found: str | None) -> None:
    told = list(gaps([requirement], outcomes))
    assert len(told) == (found is not None)
    assert found is None or found in told[0]


def test_outcomes_come_back_from_the_processes_that_ran_the_tests(tmp_path: Path) -> None:
    """Tests with a conftest of their own beside them, in which pytest looks at every plugin anew."""
    file = tmp_path / "outcomes.json"
    chosen = ["tests/cli/test_keys.py", "-n", "1"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--requirements={file}", *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert {outcome for tests in json.loads(file.read_text()).values() for outcome in tests.values()} == {"passed"}


def test_the_catalogue_reads_and_no_id_stands_twice() -> None:
    ids = [requirement.id for requirement in catalogue()]
    assert len(ids) == len(set(ids)) == 196


def test_what_is_not_met_is_said_on_the_page() -> None:
    assert "**not met yet.** because" in page([Requirement("PWD-10", "x", unmet="because")], {})
