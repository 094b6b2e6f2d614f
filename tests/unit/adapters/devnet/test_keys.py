"""The devnet's keys are those that a library derives from the same mnemonic."""

import pytest

from node.adapters.devnet.keys import DEV_KEY_MAX, dev_key
from tests.unit.adapters.devnet.devnet_examples import dev_account


@pytest.mark.parametrize("index", [*range(10), 77, DEV_KEY_MAX])
def test_a_key_is_what_eth_account_derives(index: int) -> None:
    assert dev_key(index) == bytes(dev_account(index).key)


def test_the_first_key_is_the_one_that_anvil_prints() -> None:
    printed = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert dev_key(0).hex() == printed
