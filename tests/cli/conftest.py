"""An installation for each test of a command, or one for a module whose tests do not disturb each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import Installation, installed
from support.postgres import Postgres


@pytest.fixture
def product(postgresql: Postgres | None, template: str | Path, tmp_path: Path) -> Iterator[Installation]:
    """A new installation, in which nobody is yet."""
    with installed(tmp_path / "product", postgresql, template) as installation:
        yield installation


@pytest.fixture(scope="module")
def installation(
    postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The same, once for a module, whose own `product` puts into it what its tests need."""
    with installed(tmp_path_factory.mktemp("product"), postgresql, template) as made:
        yield made
