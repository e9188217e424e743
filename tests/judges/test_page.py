"""docs/security/other-libraries.md names vectors that exist, with their true number, and every difference."""

import re
from fnmatch import fnmatchcase

import pytest
from judges.page import PAGE, VICTIM, Difference, Reason, differences, page, reasons
from oidc import vectors as tokens
from saml.vectors.table import VECTORS

TOKENS = [vector for vector in tokens.VECTORS if not vector.rules]
NAMES = {vector.name for vector in VECTORS} | {vector.name for vector in TOKENS}


@pytest.mark.requirement("TST-09")
def test_page_lists_only_vectors_that_exist() -> None:
    lists = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("  `")]
    listed = {name for line in lists for name in re.findall(r"`([^`]+)`", line)}
    assert len(listed) > 200
    assert listed - NAMES == set()


@pytest.mark.requirement("TST-09")
def test_page_tells_how_many_vectors_there_are() -> None:
    messages = sum(len(vector.styles) for vector in VECTORS)
    told = f"{len(VECTORS)} SAML vectors in {messages} messages, {len(TOKENS)} ID tokens."
    assert told in PAGE.read_text(encoding="utf-8"), "the vectors changed since `make judges` ran last"


@pytest.mark.requirement("TST-09")
def test_every_reason_is_about_a_vector() -> None:
    patterns = {pattern for reason in reasons() for pattern in reason.vectors}
    assert {one for one in patterns if not any(fnmatchcase(name, one) for name in NAMES)} == set()


KNOWN = {
    "responses": [
        {"name": "good", "style": "assertion", "reads": "ann"},
        {"name": "good", "style": "both", "reads": "ann"},
        {"name": "bad", "style": "assertion", "reads": None},
    ],
    "id_tokens": [{"name": "token", "reads": "ann"}],
}


def _judged(good: str | None, bad: str | None) -> dict[str, object]:
    verdicts = [("good", "assertion", good), ("good", "both", "ann"), ("bad", "assertion", bad)]
    judged = [{"name": name, "style": style, "reads": reads} for name, style, reads in verdicts]
    return {"judge": {"version": "1", "judged": judged}}


@pytest.mark.parametrize(
    ("good", "bad", "side"), [(None, None, "refuses"), ("ann", "ann", "accepts"), (VICTIM, None, "reads")]
)
def test_difference_without_a_reason_is_a_gap(good: str | None, bad: str | None, side: str) -> None:
    verdicts = _judged(good, bad)
    _, gaps = page(KNOWN, verdicts, [])
    assert len(gaps) == 1
    told = Reason("judge", side, ("*",), "Because.")
    text, gaps = page(KNOWN, verdicts, [told])
    assert gaps == []
    assert "- Because." in text


def test_reason_without_a_difference_is_a_gap() -> None:
    _, gaps = page(KNOWN, _judged("ann", None), [Reason("judge", "accepts", ("bad",), "Because.")])
    assert gaps == ["judge accepts: nothing needs «Because.»"]


def test_library_that_could_not_be_asked_is_said() -> None:
    text, gaps = page(KNOWN, {"judge": {"missing": "it is not here"}}, [Reason("judge", "accepts", ("bad",), "x")])
    assert "Not judged here: it is not here." in text
    assert gaps == []


def test_difference_names_its_styles_and_whom_it_reads() -> None:
    ours = {(one["name"], one["style"]): one["reads"] for one in KNOWN["responses"]}
    [found] = differences(ours, _judged(VICTIM, None)["judge"]["judged"])
    assert found == Difference("good", "reads", ("assertion",), everywhere=False, reads=VICTIM)
    assert found.shown() == "`good` (assertion) **and reads the victim**"
