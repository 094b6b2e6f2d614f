"""What a devnet can be told when it starts, and the accounts that every devnet has."""

from typing import Final

import msgspec

MNEMONIC: Final = "test test test test test test test test test test test junk"
DERIVATION_PATH: Final = "m/44'/60'/0'/0"
"""The public test accounts that anvil and hardhat know too. Their keys are no secret."""

DEFAULT_CHAIN_ID: Final = 31337
DEFAULT_GAS_LIMIT: Final = 30_000_000
ETHER: Final = 10**18
GWEI: Final = 10**9


class DevnetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Fixed for the life of the process.

    ``block_time_s`` 0 means that blocks are mined on request only. ``safe_depth`` and
    ``finalized_depth`` are the distances of those two tags from the head, in blocks.
    """

    chain_id: int = DEFAULT_CHAIN_ID
    block_time_s: float = 1.0
    gas_limit: int = DEFAULT_GAS_LIMIT
    accounts: int = 10
    balance_wei: int = 1_000_000 * ETHER
    safe_depth: int = 2
    finalized_depth: int = 4
    pool_limit: int = 4_096
    pool_limit_per_sender: int = 256
    tip_suggestion_wei: int = GWEI
