"""The order in which capabilities may import each other holds, and each of its rules bites."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PLANTED = {
    "one way down": ("base/clock.py", "import llmops.web.doors\n"),
    "inside the broker": ("broker/connections.py", "import llmops.broker.logins\n"),
    "protocols are pure": ("broker/saml/times.py", "import llmops.base.clock\n"),
    "the broker does not know LLM Ops": ("broker/logins.py", "import llmops.signin.entry\n"),
}
"""One forbidden import for each contract."""


def lint(folder: Path, *, source: Path) -> subprocess.CompletedProcess[str]:
    """What `lint-imports` says of the package in `source`, by the contracts of this repository."""
    environment = {**os.environ, "PYTHONPATH": str(source), "NO_COLOR": "1", "COLUMNS": "200"}
    command = [sys.executable, "-c", LINT, "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_imports_go_one_way(tmp_path: Path) -> None:
    answer = lint(tmp_path, source=ROOT / "src")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert " 0 broken" in answer.stdout


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a copy with every planted import, and with a folder that has no place in the order."""
    folder = tmp_path_factory.mktemp("planted")
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates", "guides")
    shutil.copytree(ROOT / "src" / "llmops", folder / "llmops", ignore=ignored)
    for name, line in PLANTED.values():
        path = folder / "llmops" / name
        path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")
    answer = lint(folder, source=folder)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_each_contract_bites(broken: str, contract: str) -> None:
    assert f"{contract} BROKEN" in " ".join(broken.split()), broken


def test_a_folder_that_nobody_placed_is_an_error(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates", "guides")
    shutil.copytree(ROOT / "src" / "llmops", tmp_path / "llmops", ignore=ignored)
    (tmp_path / "llmops" / "helpers.py").write_text('"""Nobody placed this."""\n')
    answer = lint(tmp_path, source=tmp_path)
    assert answer.returncode != 0
    assert "helpers" in answer.stdout + answer.stderr
