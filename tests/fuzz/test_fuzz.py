"""Whatever strangers send ends in a result or a typed refusal, within a tenth of a second (TST-08)."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.targets import FOUND, TARGETS, judge

SECONDS = 1
SEARCH = Path(__file__).with_name("search.py")


@pytest.mark.requirement("TST-08", "SAML-41")
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_search_finds_nothing(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(SEARCH), name, str(SECONDS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    assert done.returncode == 0, done.stderr[-3000:] + str(list(tmp_path.glob("found-*")))
    assert "stat::number_of_executed_units" in done.stderr


@pytest.mark.requirement("TST-08")
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_large_or_deep_is_refused_quickly(name: str) -> None:
    target = TARGETS[name]
    dice = random.Random(1)
    large = [
        b"<a>" * 20_000,
        b"[" * 20_000,
        b'{"a":' * 20_000,
        b"a" * 300_000,
        b"%00" * 50_000,
        b"." * 200_000,
        b"@" * 100_000,
        bytes(dice.randrange(256) for _ in range(100_000)),
        b'<a xmlns:b="c" ' + b" ".join(b'x%d="1"' % number for number in range(20_000)) + b"/>",
    ]
    for data in (*large, *(seed * 40 for seed in target.seeds)):
        judge(target, data)


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_once_broke_it_is_refused(name: str, data: bytes) -> None:
    judge(TARGETS[name], data)


def test_every_seed_but_the_wrong_ones_is_taken() -> None:
    """A target that refuses everything would be searched in vain."""
    assert {name for name, target in TARGETS.items() if any(judge(target, seed) for seed in target.seeds)} == set(
        TARGETS
    ) - {"id_token", "pasted_certificate", "issuer_keys"}
