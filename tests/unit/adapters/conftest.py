"""The database that most tests of the history are given, of each kind in turn; and a disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.adapters.history_databases import ON_POSTGRES, empty_postgres
from tests.unit.adapters.noted_disk import NotedDisk


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=ON_POSTGRES)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database, and drop what it holds in the end."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/history.sqlite"
        return
    with empty_postgres() as url:
        yield url


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NotedDisk:
    """Give an empty folder on a disk that notes what it is made to keep."""
    return NotedDisk(tmp_path, monkeypatch)
