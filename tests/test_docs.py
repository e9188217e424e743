"""What the documents say is what the code says, and sentences can travel."""

from pathlib import Path

import pytest

from llmops import errors
from llmops.cli.docs import pages

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("name", "text"), list(pages()), ids=[name for name, _ in pages()])
def test_printed_pages_are_fresh(name: str, text: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "make docs"


@pytest.mark.parametrize("failure", list(errors.catalogue()), ids=lambda failure: failure.code)
def test_sentences_keep_to_the_characters_of_oauth(failure: type[errors.Failure]) -> None:
    for sentence in (failure.message, failure.advice):
        assert sentence
        assert all(0x20 <= ord(letter) <= 0x7E and letter not in '"\\' for letter in sentence)
    assert failure.__doc__


def test_codes_are_unique() -> None:
    codes = [failure.code for failure in errors.catalogue()]
    assert len(codes) == len(set(codes))


def test_the_promised_sentences_are_these() -> None:
    assert errors.SsoNotConfigured.message == "SSO is not set up for your organization yet"
    assert errors.PlanNotEnterprise.message == "Your organization is not on the Enterprise plan"
    assert errors.PersonalEmail.message == "Please use your organization email address, not a personal one"


def test_the_readme_commands_and_pictures_exist() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("run", "test"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile
    for picture in ("docs/images/sign-in.png", "docs/images/dashboard.png"):
        assert picture in readme
        assert (ROOT / picture).exists()
