"""What to pay for a transaction, and how much gas to allow it. Pure; wei per gas, and gas.

A batch's spending is bounded by construction. Of all transactions with one nonce only one is mined,
replacements rise by an eighth until ``max_fee_cap`` and then stop, and a batch whose transactions
are mined without effect is given up after a few of them (``tracker.py``). Where a nonce is spent
and no receipt there, that counts as one of them for five blocks, and then as displaced by another
transaction. So a batch whose receipts come within five blocks costs at most

    gas limit × max_fee_cap × (1 + failures allowed)
"""

from typing import Final

import msgspec

from node.codec.l1_gas import GAS_MAX
from node.codec.l1_transactions import Fees, suggested_fees
from node.ports.chain import FeeSample
from node.types.units import PPM_ONE, Ppm, part_rounded_up

GAS_MARGIN: Final = Ppm(50_000)
"""Gas that is not used is not paid for; gas that is missing costs a whole failed transaction."""
BUMP: Final = Ppm(125_000)
"""Pools take a replacement that raises both fees by a tenth; an eighth is safely more."""


class FeePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of what is paid, in wei per gas."""

    tip_min: int = 1_000_000
    """The least tip: about nothing, yet more than nothing."""
    tip_max: int = 5_000_000_000
    """The most that a first attempt tips, whatever others do."""
    max_fee_cap: int = 200_000_000_000
    """Nothing is sent past it: batches wait until L1 calms, and at its limit the backlog closes the
    gate."""


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


def gas_limit(needed: int) -> int:
    """Return the gas limit of a transaction that needs ``needed`` gas at most."""
    return min(part_rounded_up(needed, PPM_ONE + GAS_MARGIN, PPM_ONE), GAS_MAX)


def _raised(fee: int) -> int:
    return part_rounded_up(fee, PPM_ONE + BUMP, PPM_ONE)
