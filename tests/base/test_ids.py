"""Identifiers are unlike each other and hold nothing that people misread."""

import re

import pytest

from llmops.base import ids


@pytest.mark.parametrize("prefix", ["org", "user", "conn", "sess", "login"])
def test_an_id_says_what_it_is_and_has_130_bits(prefix: ids.Prefix) -> None:
    assert re.fullmatch(prefix + r"_[0-9a-hjkmnp-tv-z]{26}", ids.new(prefix))


def test_ids_do_not_repeat() -> None:
    assert len({ids.new("job") for _ in range(10_000)}) == 10_000


def test_every_letter_occurs() -> None:
    letters = set("".join(ids.new("job").removeprefix("job_") for _ in range(200)))
    assert letters == set("0123456789abcdefghjkmnpqrstvwxyz")


def test_a_reference_can_be_read_out() -> None:
    references = {ids.reference() for _ in range(200)}
    assert len(references) == 200
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", reference) for reference in references)
