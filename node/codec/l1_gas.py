"""How much gas posting a batch takes at most, and how much one transaction carries. Pure.

Gas of a transaction (EIP-7623, since Prague), with tokens = zero bytes + 4 × non-zero bytes:

    max(21,000 + 4 × tokens + execution,  21,000 + 10 × tokens)

The execution of ``postBatch`` is known: five cold storage slots, one call into the inbox, an event,
and two passes over the calldata (one hash of the data, one of the header). Its constants are an
upper bound of what the compiled contract uses; a test holds them against both chains.
"""

from typing import Final

from node.types.units import part_rounded_up

TRANSACTION_GAS: Final = 21_000
GAS_PER_TOKEN: Final = 4
FLOOR_GAS_PER_TOKEN: Final = 10
TOKENS_PER_NONZERO_BYTE: Final = 4

EXECUTION_GAS: Final = 115_000
"""Whatever the batch holds: storage, the call, the event, the checks."""
EXECUTION_GAS_PER_WORD: Final = 24
"""Copying (3), hashing (6) and growing memory (3), each at most twice for a 32-byte word."""
MEMORY_WORDS_SQUARED: Final = 512
"""Memory of w words costs w² / 512 on top."""

GAS_MAX: Final = 1 << 24
"""The most gas of one transaction (EIP-7825)."""

HEADER_BYTES: Final = 4 + 12 * 32
"""Calldata beside data and roots: the selector, the header's words, offsets, lengths, padding."""
ROOT_BYTES: Final = 32
"""Calldata of an intermediate root."""

TRANSACTION_BYTES_MAX: Final = 128 * 1024
"""The longest transaction that the pools of L1 nodes take (geth's ``txMaxSize``)."""
ENVELOPE_BYTES: Final = 256
"""More than a transaction has beside its calldata: numbers, address, signature, lengths."""
POSTABLE_BYTES: Final = TRANSACTION_BYTES_MAX - ENVELOPE_BYTES - HEADER_BYTES
"""Data and intermediate roots that fit into one transaction; a third of ``GAS_MAX`` posts them."""
AIMED_BYTES_MAX: Final = POSTABLE_BYTES * 9 // 10
"""What the size of a batch may be estimated at: some come out larger, and those must fit too."""


def posting_gas(calldata: bytes) -> int:
    """Return an upper bound of the gas that posting a batch with ``calldata`` uses, no margin."""
    zeros = calldata.count(0)
    return _gas(zeros, len(calldata) - zeros)


def posting_gas_estimated(data_bytes: int, roots: int) -> int:
    """Return the same for a batch not encoded yet, of so many bytes and intermediate roots.

    Never too low: every byte is taken as not zero.
    """
    return _gas(0, data_bytes + HEADER_BYTES + ROOT_BYTES * roots)


def data_bytes_within(gas: int) -> int:
    """Return the most bytes of data that ``gas`` (250,000 or more) posts without any root.

    It is the floor of EIP-7623 that binds there; see ``posting_gas_estimated``.
    """
    per_byte = FLOOR_GAS_PER_TOKEN * TOKENS_PER_NONZERO_BYTE
    return (gas - TRANSACTION_GAS) // per_byte - HEADER_BYTES


def _gas(zeros: int, others: int) -> int:
    tokens = zeros + TOKENS_PER_NONZERO_BYTE * others
    words = part_rounded_up(zeros + others, 1, 32)
    memory = part_rounded_up(words, words, MEMORY_WORDS_SQUARED)
    execution = EXECUTION_GAS + EXECUTION_GAS_PER_WORD * words + memory
    return TRANSACTION_GAS + max(GAS_PER_TOKEN * tokens + execution, FLOOR_GAS_PER_TOKEN * tokens)
