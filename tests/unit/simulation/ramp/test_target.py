"""Nobody else's node is ramped."""

import pytest

from node.simulation.ramp.target import require_loopback
from node.types.errors import ConfigInvalid


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8480", "http://localhost:8480", "http://[::1]:1", "http://127.9.9.9"]
)
def test_a_node_of_this_machine_may_be_ramped(url: str) -> None:
    require_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.7:8480",
        "https://exchange.example",
        "http://0.0.0.0:8480",
        "http://127.0.0.1.example:8480",
        "localhost:8480",
        "",
    ],
)
def test_any_other_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        require_loopback(url)
    assert url in str(refused.value.values["faults"])
