"""What to pay for a transaction, and how much gas a batch takes. Pure; wei per gas, and gas.

A batch's spending is bounded by construction. Of all transactions with one nonce only one is mined,
replacements rise by an eighth until ``max_fee_cap`` and then stop, and a batch whose transactions
are mined without effect is given up after a few of them (``tracker.py``). So a batch costs at most

    gas limit × max_fee_cap × (1 + failures allowed)

Gas of a transaction (EIP-7623, since Prague), with tokens = zero bytes + 4 × non-zero bytes:

    max(21,000 + 4 × tokens + execution,  21,000 + 10 × tokens)

The execution of ``postBatch`` is known: five cold storage slots, one call into the inbox, an event,
and two passes over the calldata (one hash of the data, one of the header). Its constants are an
upper bound of what the compiled contract uses; a test holds them against both chains.
"""

from typing import Final

import msgspec

from node.codec.l1_transactions import Fees, suggested_fees
from node.ports.chain import FeeSample
from node.types.units import PPM_ONE, Ppm, part_rounded_up

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

GAS_MARGIN: Final = Ppm(50_000)
"""Gas that is not used is not paid for; gas that is missing costs a whole failed transaction."""
GAS_MAX: Final = 1 << 24
"""The most gas of one transaction (EIP-7825)."""

BUMP: Final = Ppm(125_000)
"""Pools take a replacement that raises both fees by a tenth; an eighth is safely more."""


class FeePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of what is paid, in wei per gas."""

    tip_min: int = 1_000_000
    """The least tip: about nothing, yet more than nothing."""
    tip_max: int = 5_000_000_000
    """The most that a first attempt tips, whatever others do."""
    max_fee_cap: int = 200_000_000_000
    """Nothing is sent past it: batches wait, and the backlog closes the gate, until L1 calms."""


def choose_fees(sample: FeeSample, policy: FeePolicy) -> Fees | None:
    """Return fees for a first attempt, None while the base fee leaves no room below the cap.

    The tip is the median of what others tipped, within the policy's bounds.
    """
    tips = sorted(sample.tips)
    tip = min(max(tips[len(tips) // 2] if tips else 0, policy.tip_min), policy.tip_max)
    if sample.base_fee + tip > policy.max_fee_cap:
        return None
    fees = suggested_fees(sample.base_fee, tip)
    return Fees(max_fee=min(fees.max_fee, policy.max_fee_cap), tip=tip)


def bump_fees(previous: Fees, sample: FeeSample, policy: FeePolicy) -> Fees | None:
    """Return fees that replace ``previous`` in any pool, None past the cap.

    Both rise by an eighth, rounded up, or to today's choice where that is more.
    """
    today = choose_fees(sample, policy)
    if today is None:
        return None
    tip = max(today.tip, _raised(previous.tip))
    max_fee = max(today.max_fee, _raised(previous.max_fee), tip)
    return None if max_fee > policy.max_fee_cap else Fees(max_fee=max_fee, tip=tip)


def gas_needed(calldata: bytes) -> int:
    """Return an upper bound of the gas that posting a batch with ``calldata`` uses, no margin."""
    zeros = calldata.count(0)
    tokens = zeros + TOKENS_PER_NONZERO_BYTE * (len(calldata) - zeros)
    words = -(-len(calldata) // 32)
    execution = (
        EXECUTION_GAS + EXECUTION_GAS_PER_WORD * words + -(-words * words // MEMORY_WORDS_SQUARED)
    )
    return TRANSACTION_GAS + max(GAS_PER_TOKEN * tokens + execution, FLOOR_GAS_PER_TOKEN * tokens)


def gas_limit(needed: int) -> int:
    """Return the gas limit of a transaction that needs ``needed`` gas at most."""
    return min(part_rounded_up(needed, PPM_ONE + GAS_MARGIN, PPM_ONE), GAS_MAX)


def _raised(fee: int) -> int:
    return part_rounded_up(fee, PPM_ONE + BUMP, PPM_ONE)
