"""How much work one block may hold so that one transaction of L1 holds the block. Pure.

No block is split between batches: one that is too long could never be posted, nor anything after.
"""

from typing import Final

from node.codec.l1_gas import POSTABLE_BYTES

SINGLE_BYTES: Final = 210
"""On L1, at worst: a signed action of one item."""
ITEM_BYTES: Final = 75
"""Likewise each item of the largest action, which may end a block past its work."""


def block_work_max(items_max: int) -> int:
    """Return the most work (orders and cancels) of a block that is certain to be postable.

    ``items_max``: the most items of an action. Time bounds nothing here: on a fast machine it
    bounds later than work.
    """
    return (POSTABLE_BYTES - items_max * ITEM_BYTES) // SINGLE_BYTES
