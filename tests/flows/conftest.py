"""What the browser's tests share: one Chromium for each file, and steps of a story that come in turn."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from support.browser import chromium_running

_DONE = pytest.StashKey[set[str]]()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of its own for every file."""
    with chromium_running() as running:
        yield running


@pytest.fixture
def in_turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """For a file whose tests are the steps of one story: each is skipped unless all those above it have passed."""
    module = request.node.getparent(pytest.Module)
    done = module.stash.setdefault(_DONE, set())
    steps = [name for name in vars(request.module) if name.startswith("test_")]
    here = request.node.name
    if undone := [step for step in steps[: steps.index(here)] if step not in done]:
        pytest.skip(f"it follows on {undone[0]}, which did not pass")
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed == failed:
        done.add(here)
