"""As many open files as connections: raised where the system lets us, refused where not."""

import resource
from collections.abc import Iterator

import pytest

from node.adapters.http.config import HttpConfig
from node.adapters.http.connection import RESERVED
from node.adapters.http.open_files import OTHERS, require_files
from node.types.errors import ConfigInvalid

SOFT = 300
FEW = HttpConfig(connections=50, plain_connections=50)


@pytest.fixture
def hard() -> Iterator[int]:
    """Set the limit that may be raised low, and give the one that may not."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_is_raised_to_what_is_needed(hard: int) -> None:
    require_files(FEW)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (100 + RESERVED + OTHERS, hard)


def test_what_the_system_does_not_allow_is_no_configuration(
    hard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (SOFT, SOFT))
    with pytest.raises(ConfigInvalid) as refused:
        require_files(FEW)
    assert refused.value.faults == (
        "http.connections: 50, 388 open files are needed with http.plain_connections, 300 allowed",
    )
