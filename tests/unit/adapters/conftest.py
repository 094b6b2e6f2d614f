"""The database that most tests of the history are given, of each kind in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.adapters.history_databases import ON_POSTGRES, empty_postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=ON_POSTGRES)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database, and drop what it holds in the end."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/history.sqlite"
        return
    with empty_postgres() as url:
        yield url
