"""What a byte will cost on L1 once it is posted, not what the last one cost.

A batch waits before it is included, and L1's base fee moves meanwhile: by at most an eighth a block
(EIP-1559). Whoever charges the last cost undercharges all the way up a spike and overcharges all
the way down. The forecast follows the trend, damped, because no trend lasts:

    base · ∏_{i=1…n} (1 + g·φ^i)

g is the smoothed growth per L1 block, within an eighth either way, and φ the damping; so the
forecast never leaves what the base fee could have become in n blocks. All rates are in millionths.
"""

from typing import Final

from node.types.units import PPM_ONE, Money, part_rounded_up

GROWTH_MAX: Final = 125_000
"""EIP-1559: a block's base fee differs from the last one's by at most an eighth."""
SMOOTHING: Final = 250_000
DAMPING: Final = 850_000
BLOCKS_MAX: Final = 64
"""A trend damped so long adds nothing more."""


class L1Forecast:
    """Follows the base fee of L1, block by block."""

    __slots__ = ("_block", "_growth", "base_fee")

    def __init__(self) -> None:
        self.base_fee = 0
        self._block = 0
        self._growth = 0

    def observe(self, block: int, base_fee: int) -> None:
        """Take the base fee (wei per gas) of L1 block ``block``; older ones are left aside."""
        blocks = block - self._block
        if blocks <= 0:
            return
        if self.base_fee:
            grown = (base_fee - self.base_fee) * PPM_ONE // (self.base_fee * blocks)
            grown = min(max(grown, -GROWTH_MAX), GROWTH_MAX)
            for _ in range(min(blocks, BLOCKS_MAX)):
                self._growth += (grown - self._growth) * SMOOTHING // PPM_ONE
        self.base_fee = base_fee
        self._block = block

    def fee(self, blocks: int) -> int:
        """Return the base fee expected ``blocks`` from now, rounded up (wei per gas).

        Past ``BLOCKS_MAX`` it is the same.
        """
        fee, growth = self.base_fee, self._growth
        for _ in range(min(blocks, BLOCKS_MAX)):
            growth = growth * DAMPING // PPM_ONE
            fee = part_rounded_up(fee, PPM_ONE + growth, PPM_ONE)
        return fee


def blocks_until_posted(ahead: int, per_block: int, included_ppm: int) -> int:
    """Return in how many L1 blocks a batch is posted that stands behind so many, rounded up.

    A block takes up to ``per_block`` of them, or none: ``included_ppm`` of the blocks take any.
    """
    return part_rounded_up(ahead // per_block + 1, PPM_ONE, max(included_ppm, 1))


def unit_cost(wei_per_gas: int, gas_per_unit: int, quote_per_ether: Money) -> Money:
    """Return what the L1 bytes of a unit of work cost, rounded up, in millionths of the quote."""
    return Money(part_rounded_up(wei_per_gas * gas_per_unit, quote_per_ether, 10**18))
