"""The contracts on L1, as calldata, answers, events and errors.

The shapes below are those of contracts/src; a test compares each with the compiled artifacts.
"""

from typing import Any, Final

import msgspec
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError

from node.types.blocks import Batch, BatchHeader
from node.types.commands import Deposit
from node.types.errors import ChainDisagrees
from node.types.hashing import keccak256
from node.types.ids import Address, Sequence, address_from_hex
from node.types.units import Money

HEADER: Final = "(uint64,bytes32,bytes32,uint64,uint64,uint64,bytes32[])"
RECORD: Final = "(bytes32,bytes32,uint64,uint64,uint64)"
SELECTOR_BYTES: Final = 4
WORD: Final = 32
"""Bytes of a word of the EVM."""


class L1Function:
    """A function of a contract: its calldata and its answer."""

    def __init__(self, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...] = ()) -> None:
        self.signature = f"{name}({','.join(inputs)})"
        self.selector = keccak256(self.signature.encode())[:SELECTOR_BYTES]
        self._inputs = inputs
        self._outputs = outputs

    def encode(self, *arguments: Any) -> bytes:
        """Return the calldata of a call."""
        return self.selector + abi_encode(self._inputs, arguments)

    def answer(self, data: bytes) -> tuple[Any, ...]:
        """Return what the function returned. Raises ``ChainDisagrees``."""
        try:
            return tuple(abi_decode(self._outputs, data))
        except (DecodingError, OverflowError, ValueError) as error:
            raise ChainDisagrees(what=self.signature, detail=str(error)) from None


POST_BATCH: Final = L1Function("postBatch", (HEADER, "bytes"))
SEQUENCER: Final = L1Function("sequencer", (), ("address",))
RULES_HASH: Final = L1Function("rulesHash", (), ("bytes32",))
GENESIS_ROOT: Final = L1Function("genesisRoot", (), ("bytes32",))
FINALITY_BLOCKS: Final = L1Function("finalityBlocks", (), ("uint64",))
INBOX: Final = L1Function("inbox", (), ("address",))
BATCH_COUNT: Final = L1Function("batchCount", (), ("uint64",))
LATEST_ROOT: Final = L1Function("latestRoot", (), ("bytes32",))
BATCHES: Final = L1Function("batches", ("uint64",), (RECORD,))
IS_FINAL: Final = L1Function("isFinal", ("uint64",), ("bool",))
DEPOSIT_COUNT: Final = L1Function("count", (), ("uint64",))
INBOX_ROLLUP: Final = L1Function("rollup", (), ("address",))
INBOX_TOKEN: Final = L1Function("token", (), ("address",))
DEPOSIT: Final = L1Function("deposit", ("address", "uint128"))
DEPOSIT_MANY: Final = L1Function("depositMany", ("address[]", "uint128[]"))
CLAIM: Final = L1Function(
    "claim", ("uint64", "uint64", "address", "uint128", "uint8[]", "bytes32[]")
)
CLAIMED: Final = L1Function("claimed", ("uint64",), ("bool",))
FAUCET: Final = L1Function("faucet", ("address", "uint256"))
APPROVE: Final = L1Function("approve", ("address", "uint256"), ("bool",))
ALLOWANCE: Final = L1Function("allowance", ("address", "address"), ("uint256",))
BALANCE_OF: Final = L1Function("balanceOf", ("address",), ("uint256",))

DEPOSITS_PER_CALL_MAX: Final = 200
"""``Inbox.DEPOSITS_PER_CALL_MAX``."""
FAUCET_LIMIT: Final = Money(1_000_000 * 10**6)
"""``TestToken.FAUCET_LIMIT``: the most that one call of the faucet pours."""

BATCH_POSTED_SIGNATURE: Final = "BatchPosted(uint64,bytes32,uint64,uint64,uint64,bytes32)"
BATCH_POSTED: Final = keccak256(BATCH_POSTED_SIGNATURE.encode())
DEPOSITED_SIGNATURE: Final = "Deposited(uint64,address,uint128)"
DEPOSITED: Final = keccak256(DEPOSITED_SIGNATURE.encode())

ERRORS: Final[dict[str, tuple[str, ...]]] = {
    "AlreadyClaimed": ("uint64",),
    "BitsNotDecreasing": ("uint256", "uint8", "uint8"),
    "CursorMovedBack": ("uint64", "uint64"),
    "CursorPastInbox": ("uint64", "uint64"),
    "DepositLengthMismatch": ("uint256", "uint256"),
    "DepositsExhausted": ("uint256", "uint256", "uint256"),
    "FaucetLimitExceeded": ("uint256", "uint256"),
    "InsufficientAllowance": ("address", "address", "uint256", "uint256"),
    "InsufficientBalance": ("address", "uint256", "uint256"),
    "NotFinal": ("uint64", "uint256", "uint256"),
    "NotSequencer": ("address", "address"),
    "NotTopLevelCall": ("address", "address"),
    "ProofLengthMismatch": ("uint256", "uint256"),
    "TooManyDeposits": ("uint256", "uint256"),
    "TransferFailed": ("address", "address", "address", "uint256"),
    "UnknownBatch": ("uint64", "uint64"),
    "WrongFirstSequence": ("uint64", "uint64"),
    "WrongIndex": ("uint64", "uint64"),
    "WrongLastSequence": ("uint64", "uint64"),
    "WrongPreviousRoot": ("bytes32", "bytes32"),
    "WrongRoot": ("bytes32", "bytes32"),
    "ZeroDeposit": ("uint64",),
}
_ERROR_OF: Final = {
    keccak256(f"{name}({','.join(types)})".encode())[:SELECTOR_BYTES]: (name, types)
    for name, types in ERRORS.items()
}


class BatchRecord(msgspec.Struct, frozen=True, gc=False):
    """What the rollup keeps of a batch."""

    new_root: bytes
    commitment: bytes
    posted_at_block: int
    last_sequence: Sequence
    inbox_cursor: int


def post_batch(batch: Batch) -> bytes:
    """Return the calldata that posts ``batch``."""
    return POST_BATCH.encode(_header_values(batch.header), batch.data)


def posted_batch(calldata: bytes) -> tuple[BatchHeader, bytes]:
    """Return the header and the data that the contract read in ``calldata``.

    It reads whatever its offsets lead to: unpadded, out of order, overlapping, before the header,
    and zeros past the end. A stricter reader would leave the sequencer a batch that becomes final
    and that nobody reads. Raises ``ChainDisagrees`` for what the contract refuses as well.
    """
    if calldata[:SELECTOR_BYTES] != POST_BATCH.selector:
        raise ChainDisagrees(what=POST_BATCH.signature, detail="another function is called")
    header_at = SELECTOR_BYTES + _number(calldata, SELECTOR_BYTES)
    data_at = SELECTOR_BYTES + _number(calldata, SELECTOR_BYTES + WORD)
    size = _number(calldata, data_at)
    # An offset inside of the header may be negative, as addresses wrap around.
    roots_at = (header_at + _number(calldata, header_at + 6 * WORD)) % 2**256
    roots = _number(calldata, roots_at)
    if max(header_at + 7 * WORD, data_at + WORD + size, roots * WORD) > len(calldata):
        raise ChainDisagrees(what=POST_BATCH.signature, detail="it ends before what it holds")
    index, previous_root, new_root, first, last, cursor = (
        _word(calldata, header_at + place * WORD) for place in range(6)
    )
    header = BatchHeader(
        index=_uint64(index),
        previous_root=previous_root,
        new_root=new_root,
        first_sequence=Sequence(_uint64(first)),
        last_sequence=Sequence(_uint64(last)),
        inbox_cursor=_uint64(cursor),
        roots=tuple(_word(calldata, roots_at + place * WORD) for place in range(1, roots + 1)),
    )
    return header, calldata[data_at + WORD :][:size]


def commitment(batch: Batch) -> bytes:
    """Return what the rollup must keep of ``batch``: the hash of its header and its data's hash."""
    encoded = abi_encode((HEADER, "bytes32"), (_header_values(batch.header), keccak256(batch.data)))
    return keccak256(encoded)


def batch_record(answer: bytes) -> BatchRecord:
    """Return the answer of ``batches``. Raises ``ChainDisagrees``."""
    new_root, committed, posted_at, last, cursor = BATCHES.answer(answer)[0]
    return BatchRecord(new_root, committed, posted_at, Sequence(last), cursor)


def deposit_of(topics: tuple[bytes, ...], data: bytes) -> Deposit:
    """Return the deposit in a ``Deposited`` event. Raises ``ChainDisagrees``."""
    if len(topics) != 3 or topics[0] != DEPOSITED or len(data) != 32:
        raise ChainDisagrees(what=DEPOSITED_SIGNATURE, detail="another event")
    return Deposit(
        index=int.from_bytes(topics[1], "big"),
        account=Address(topics[2][12:]),
        amount=Money(int.from_bytes(data, "big")),
    )


def address_answer(function: L1Function, data: bytes) -> Address:
    """Return the one address that ``function`` returned. Raises ``ChainDisagrees``."""
    return address_from_hex(function.answer(data)[0])


def error_of(data: bytes) -> tuple[str, tuple[Any, ...]]:
    """Return the name and the arguments of a contract's error, ("", ()) for an unknown one."""
    name, types = _ERROR_OF.get(data[:SELECTOR_BYTES], ("", ()))
    try:
        return name, tuple(abi_decode(types, data[SELECTOR_BYTES:]))
    except (DecodingError, OverflowError, ValueError):
        return "", ()


def _word(calldata: bytes, at: int) -> bytes:
    """Return the word at ``at``, as the EVM loads it: zeros where the calldata has ended."""
    return calldata[at : at + WORD].ljust(WORD, b"\0")


def _number(calldata: bytes, at: int) -> int:
    return int.from_bytes(_word(calldata, at), "big")


def _uint64(word: bytes) -> int:
    """Return the number in the last 8 bytes; the contract refuses a word with more."""
    return int.from_bytes(word[-8:], "big")


def _header_values(header: BatchHeader) -> tuple[Any, ...]:
    return (
        header.index,
        header.previous_root,
        header.new_root,
        header.first_sequence,
        header.last_sequence,
        header.inbox_cursor,
        header.roots,
    )
