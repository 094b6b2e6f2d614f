"""Which addresses are one client's."""

import pytest

from node.types.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        # Everyone who comes by IPv4 to a socket of both kinds would be one otherwise.
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_addresses_that_cost_nothing_are_one(address: str, network: str) -> None:
    assert network_of(address) == network
