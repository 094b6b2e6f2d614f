"""Raw transactions: reading them, and what makes one inadmissible for ever.

Everything here depends on the transaction alone; what depends on the state of the chain (nonce,
balance) is checked in devnet.py.
"""

from typing import Any, Final

import msgspec

from node.adapters.devnet.rpc_errors import refused

RAW_BYTES_MAX: Final = 131_072
"""The limit of go-ethereum's pool: what is too large on a public chain is too large here."""

ACCESS_LIST_TYPE: Final = 1
DYNAMIC_FEE_TYPE: Final = 2
LEGACY_PREFIX_MIN: Final = 0xC0
"""An RLP list starts at 0xc0; anything below is the type byte of EIP-2718."""

# EIP-7623: each byte of calldata costs at least ten gas a token, a nonzero byte being four tokens.
FLOOR_BASE_GAS: Final = 21_000
FLOOR_GAS_PER_TOKEN: Final = 10
TOKENS_PER_NONZERO_BYTE: Final = 4


class SignedTransaction(msgspec.Struct, frozen=True):
    """A transaction as the pool holds it. Fees are wei per gas; ``evm`` is py-evm's own object."""

    hash: bytes
    sender: bytes
    nonce: int
    gas: int
    value: int
    max_fee: int
    max_tip: int
    evm: Any

    def tip_at(self, base_fee: int) -> int:
        """What the miner earns per gas at ``base_fee``; negative if the fee cannot pay that."""
        return min(self.max_tip, self.max_fee - base_fee)

    @property
    def cost_max(self) -> int:
        """The most wei that the sender can lose."""
        return self.value + self.gas * self.max_fee


def decode(raw: bytes, builder: Any, chain_id: int) -> SignedTransaction:
    """Read a raw transaction of type 0, 1 or 2. Raises RpcError with the words of go-ethereum."""
    if len(raw) > RAW_BYTES_MAX:
        raise refused(f"oversized data: transaction size {len(raw)}, limit {RAW_BYTES_MAX}")
    if not raw:
        raise refused("typed transaction too short")
    if raw[0] < LEGACY_PREFIX_MIN and raw[0] not in (ACCESS_LIST_TYPE, DYNAMIC_FEE_TYPE):
        raise refused("transaction type not supported")
    try:
        evm = builder.decode(raw)
        evm.validate()
        sender = bytes(evm.sender)
    except Exception as error:
        # The decoder raises whatever its libraries raise on bytes that a stranger chose.
        raise refused(f"rlp: cannot decode transaction: {error}") from error
    if evm.chain_id != chain_id:
        raise refused(f"invalid chain id for signer: have {evm.chain_id} want {chain_id}")
    transaction = SignedTransaction(
        hash=bytes(evm.hash),
        sender=sender,
        nonce=evm.nonce,
        gas=evm.gas,
        value=evm.value,
        max_fee=evm.max_fee_per_gas,
        max_tip=evm.max_priority_fee_per_gas,
        evm=evm,
    )
    _require_fees(transaction)
    return transaction


def gas_floor(evm: Any) -> int:
    """The least gas limit of a valid transaction: intrinsic gas, or EIP-7623's calldata floor."""
    zeros = int(evm.data.count(0))
    tokens = zeros + TOKENS_PER_NONZERO_BYTE * (len(evm.data) - zeros)
    return max(int(evm.intrinsic_gas), FLOOR_BASE_GAS + FLOOR_GAS_PER_TOKEN * tokens)


def _require_fees(transaction: SignedTransaction) -> None:
    if transaction.max_tip > transaction.max_fee:
        raise refused("max priority fee per gas higher than max fee per gas")
    floor = gas_floor(transaction.evm)
    if transaction.gas < floor:
        raise refused(f"intrinsic gas too low: gas {transaction.gas}, minimum needed {floor}")
