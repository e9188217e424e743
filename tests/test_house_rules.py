"""House rules as code. Each is a function over a text, and each is shown to bite."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "llmops"
LONGEST = 400


def too_long(name: str, text: str) -> bool:
    return name not in ("errors.py",) and text.count("\n") > LONGEST


def commits(name: str, text: str) -> bool:
    return ".commit(" in text


def relationship(name: str, text: str) -> bool:
    return "relationship(" in text.replace("`relationship()`", "")


def hidden_import(name: str, text: str) -> bool:
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(isinstance(inner, ast.Import | ast.ImportFrom) for function in functions for inner in ast.walk(function))


def asks_the_clock(name: str, text: str) -> bool:
    return name != "clock.py" and any(call in text for call in ("datetime.now(", "time.time(", "utcnow("))


RULES: dict[Callable[[str, str], bool], str] = {
    too_long: "x = 1\n" * (LONGEST + 1),
    commits: "db.commit()",
    relationship: "members = relationship()",
    hidden_import: "def f():\n    import os\n",
    asks_the_clock: "now = datetime.now(UTC)",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds(rule: Callable[[str, str], bool]) -> None:
    broken = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if "migrations" not in path.parts and "demo" not in path.parts and rule(path.name, path.read_text())
    ]
    assert broken == []


@pytest.mark.parametrize(("rule", "planted"), RULES.items(), ids=[rule.__name__ for rule in RULES])
def test_the_rule_bites(rule: Callable[[str, str], bool], planted: str) -> None:
    assert rule("planted.py", planted)


def test_no_template_turns_escaping_off() -> None:
    templates = [*SOURCE.rglob("*.html")]
    assert templates
    assert not [path for path in templates if "|safe" in path.read_text().replace(" ", "")]
