"""What was asked over a connection that is gone has failed, and is not asked over the next one."""

import pytest

from node.client.errors import ConnectionLost
from node.client.requests import Requests


async def test_what_was_not_written_before_the_connection_went_never_is() -> None:
    requests = Requests()
    lost = requests.add("action", {})
    requests.lose()
    with pytest.raises(ConnectionLost):
        await lost
    assert (requests.frames(), len(requests)) == ([], 0)
