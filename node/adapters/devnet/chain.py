"""py-evm as a chain of blocks: mining, going back, reading state, calling.

Not safe for threads: one thread owns it. Blocks are kept for the life of the process, with every
state they left behind, so any block can be called against and the chain can go back to genesis.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final

import msgspec
from eth.constants import GENESIS_PARENT_HASH
from eth.exceptions import Revert
from eth.vm.spoof import SpoofTransaction
from eth_tester.backends.pyevm.main import PyEVMBackend
from eth_utils.exceptions import ValidationError

from node.adapters.devnet.parameters import CallRequest
from node.adapters.devnet.rpc_errors import EXECUTION_REVERTED, SERVER_ERROR, RpcError
from node.adapters.devnet.settings import DERIVATION_PATH, MNEMONIC, DevnetSettings
from node.adapters.devnet.transactions import SignedTransaction, gas_floor
from node.types.hashing import keccak256

TRANSACTION_GAS_MIN: Final = 21_000
CALL_STIPEND: Final = 2_300
COINBASE: Final = bytes(20)


class MinedBlock(msgspec.Struct, frozen=True):
    """A block of the chain with its receipts; both are py-evm's objects."""

    block: Any
    transactions: tuple[SignedTransaction, ...]
    receipts: tuple[Any, ...]

    @property
    def header(self) -> Any:
        """py-evm's header."""
        return self.block.header

    @property
    def number(self) -> int:
        """The height of the block; genesis is 0."""
        return int(self.block.header.block_number)

    @property
    def hash(self) -> bytes:
        """The hash of the header."""
        return bytes(self.block.header.hash)

    def gas_used(self, index: int) -> int:
        """The gas that transaction ``index`` alone used: receipts carry running totals."""
        before = self.receipts[index - 1].gas_used if index > 0 else 0
        return int(self.receipts[index].gas_used - before)


class EvmChain:
    """The canonical blocks and py-evm's state behind them."""

    def __init__(self, settings: DevnetSettings, genesis_time_s: int, entropy: int = 0) -> None:
        parameters = PyEVMBackend.generate_genesis_params(
            overrides={"gas_limit": settings.gas_limit, "timestamp": genesis_time_s}
        )
        backend = PyEVMBackend.from_mnemonic(
            MNEMONIC,
            genesis_state_overrides={"balance": settings.balance_wei},
            num_accounts=settings.accounts,
            genesis_parameters=parameters,
            hd_path=DERIVATION_PATH,
        )
        self.accounts: tuple[bytes, ...] = backend.get_accounts()
        self._evm = backend.chain
        self._evm.chain_id = settings.chain_id
        self._blocks = [MinedBlock(self._evm.get_canonical_block_by_number(0), (), ())]
        self._number_of: dict[bytes, int] = {self._blocks[0].hash: 0}
        self._place_of: dict[bytes, tuple[int, int]] = {}
        self._entropy = count(entropy + 1)
        self._read_at = self.head
        self._read_state = self._state(self.head)

    @property
    def head(self) -> MinedBlock:
        """The last block."""
        return self._blocks[-1]

    @property
    def next_base_fee(self) -> int:
        """Wei per gas that the next block burns (EIP-1559)."""
        return int(self._evm.header.base_fee_per_gas)

    @property
    def pending_header(self) -> Any:
        """py-evm's header of the block to come, before any transaction."""
        return self._evm.header

    @property
    def transaction_builder(self) -> Any:
        """What decodes raw transactions at the head's fork."""
        return self._evm.get_transaction_builder()

    def block(self, number: int) -> MinedBlock | None:
        """The block at that height, or None above the head."""
        return self._blocks[number] if 0 <= number < len(self._blocks) else None

    def block_by_hash(self, block_hash: bytes) -> MinedBlock | None:
        """The canonical block of that hash; one that a reorg dropped is unknown."""
        number = self._number_of.get(block_hash)
        return None if number is None else self._blocks[number]

    def find_transaction(self, transaction_hash: bytes) -> tuple[MinedBlock, int] | None:
        """The block that holds the transaction, and its place there."""
        place = self._place_of.get(transaction_hash)
        return None if place is None else (self._blocks[place[0]], place[1])

    def mine(self, candidates: Iterable[SignedTransaction], time_s: int) -> MinedBlock:
        """Append a block of those candidates that fit and still execute, in the given order.

        The time of the block is ``time_s``, or one second past its parent where that is later.
        """
        header = self._evm.header.copy(
            timestamp=max(time_s, self.head.header.timestamp + 1),
            mix_hash=keccak256(b"plimsoll devnet" + next(self._entropy).to_bytes(8, "big")),
            coinbase=COINBASE,
        )
        vm = self._evm.get_vm(header)
        header, taken, receipts = _execute(vm, header, candidates)
        filled = vm.set_block_transactions_and_withdrawals(
            vm.get_block(), header, tuple(transaction.evm for transaction in taken), receipts
        )
        block = vm.mine_block(filled).block
        self._evm.validate_block(block)
        self._evm.chaindb.persist_block(block)
        self._evm.header = self._evm.create_header_from_parent(block.header)
        self._append(MinedBlock(block, tuple(taken), tuple(receipts)))
        return self.head

    def rewind(self, depth: int) -> None:
        """Drop the last ``depth`` blocks and everything that they did."""
        assert 0 <= depth < len(self._blocks), depth
        for _ in range(depth):
            dropped = self._blocks.pop()
            del self._number_of[dropped.hash]
            for transaction in dropped.transactions:
                del self._place_of[transaction.hash]
        header = self.head.header
        # eth-tester reverts its snapshots through this same call; py-evm has no public one.
        chaindb = self._evm.chaindb
        chaindb._set_as_canonical_chain_head(chaindb.db, header, GENESIS_PARENT_HASH)  # noqa: SLF001
        self._evm.header = self._evm.create_header_from_parent(header)

    def nonce(self, account: bytes, at: MinedBlock | None = None) -> int:
        """The number of transactions that the account has had mined."""
        return int(self._state_to_read(at or self.head).get_nonce(account))

    def balance(self, account: bytes, at: MinedBlock | None = None) -> int:
        """Wei."""
        return int(self._state_to_read(at or self.head).get_balance(account))

    def code(self, account: bytes, at: MinedBlock | None = None) -> bytes:
        """Empty for an account that is no contract."""
        return bytes(self._state_to_read(at or self.head).get_code(account))

    def call(self, request: CallRequest, at: MinedBlock | None = None) -> bytes:
        """What the call returns in the state after block ``at``. Raises RpcError if it reverts."""
        gas = min(request.gas or self._gas_limit, self._gas_limit)
        computation, _ = self._try(request, gas, at or self.head)
        _raise_failure(computation)
        return bytes(computation.output)

    def estimate_gas(self, request: CallRequest, at: MinedBlock | None = None) -> int:
        """A gas limit with which the transaction succeeds, at most 2 % above the least such limit.

        Raises RpcError when it fails whatever gas it has.
        """
        at = at or self.head
        limit = min(request.gas or self._gas_limit, self._gas_limit)
        computation, used = self._try(request, limit, at)
        _raise_failure(computation)
        computation, _ = self._try(request, used, at)
        if not computation.is_error:
            return used
        # Calls to further contracts need some more: EIP-150 keeps back 1/64 of the gas from each.
        low, high = used, limit
        guess = min(limit, used + used // 63 + CALL_STIPEND)
        while high - low > low // 50:
            computation, _ = self._try(request, guess, at)
            low, high = (guess, high) if computation.is_error else (low, guess)
            guess = (low + high) // 2
        return high

    @property
    def _gas_limit(self) -> int:
        return int(self.head.header.gas_limit)

    def _append(self, mined: MinedBlock) -> None:
        self._blocks.append(mined)
        self._number_of[mined.hash] = mined.number
        for index, transaction in enumerate(mined.transactions):
            self._place_of[transaction.hash] = (mined.number, index)

    def _state_to_read(self, at: MinedBlock) -> Any:
        """The state after ``at``, kept until another block is asked for: building it is slow."""
        if self._read_at is not at:
            self._read_at, self._read_state = at, self._state(at)
        return self._read_state

    def _state(self, at: MinedBlock) -> Any:
        """The state after block ``at``, in which gas is free: a call is not a payment."""
        vm = self._evm.get_vm(at.header)
        free = at.header.copy(base_fee_per_gas=0)
        return vm.build_state(vm.chaindb.db, free, vm.chain_context, vm.previous_hashes)

    def _try(self, request: CallRequest, gas: int, at: MinedBlock) -> tuple[Any, int]:
        """Execute without a trace. Returns py-evm's computation and the gas used."""
        state = self._state(at)
        unsigned = self._evm.create_unsigned_transaction(
            nonce=state.get_nonce(request.sender),
            gas_price=0,
            gas=gas,
            to=request.to,
            value=request.value,
            data=request.data,
        )
        if gas < gas_floor(unsigned):
            raise RpcError(
                SERVER_ERROR,
                f"intrinsic gas too low: gas {gas}, minimum needed {gas_floor(unsigned)}",
            )
        try:
            computation = state.apply_transaction(SpoofTransaction(unsigned, from_=request.sender))
        except ValidationError as error:
            raise RpcError(SERVER_ERROR, f"cannot be executed: {error}") from error
        used = gas - computation.get_gas_remaining() + computation.data_floor_gas
        return computation, int(used)


def _execute(
    vm: Any, header: Any, candidates: Iterable[SignedTransaction]
) -> tuple[Any, Sequence[SignedTransaction], Sequence[Any]]:
    """Apply the candidates. One that does not fit or cannot pay holds up its own sender only."""
    taken: list[SignedTransaction] = []
    receipts: list[Any] = []
    held_up: set[bytes] = set()
    for transaction in candidates:
        gas_left = header.gas_limit - header.gas_used
        if gas_left < TRANSACTION_GAS_MIN:
            break
        if transaction.sender in held_up:
            continue
        if transaction.gas > gas_left:
            held_up.add(transaction.sender)
            continue
        try:
            receipt, _ = vm.apply_transaction(header, transaction.evm)
        except ValidationError:
            # The checks of the EVM stand before any change of its state.
            held_up.add(transaction.sender)
            continue
        header = vm.add_receipt_to_header(header, receipt)
        taken.append(transaction)
        receipts.append(receipt)
    return header, taken, receipts


def _raise_failure(computation: Any) -> None:
    """Turn a failed computation into the error that clients decode: code 3 with the revert data."""
    if not computation.is_error:
        return
    error = computation.error
    if isinstance(error, Revert):
        raise RpcError(
            EXECUTION_REVERTED, "execution reverted", "0x" + bytes(computation.output).hex()
        )
    raise RpcError(SERVER_ERROR, f"execution failed: {type(error).__name__}")
