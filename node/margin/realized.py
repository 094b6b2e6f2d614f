"""What trades realize, told from the trades alone: for those who see events and not the margin.

The same sums as in ``node.margin.fill`` and ``node.transition.deleverage``, to the last unit.
"""

Realized = tuple[int, int, int]
"""Signed lots and entry value after a trade, and what it gained; fees are not in it."""


def close(size: int, entry: int, lots: int, paid: int) -> Realized:
    """Return what ``lots`` (signed, against ``size``, no more) make of a position.

    ``paid`` is signed as well: below zero it is what selling brought in. Of the entry value goes
    the share of the lots, rounded toward minus infinity: a unit comes with the last of them.
    """
    removed = entry * -lots // size
    return size + lots, entry - removed, -paid - removed


def trade(size: int, entry: int, lots: int, price: int) -> Realized:
    """Return what ``lots`` (signed: + bought) at ``price`` make of a position: close, then open."""
    if not size or (size > 0) == (lots > 0):
        return size + lots, entry + lots * price, 0
    if abs(lots) <= abs(size):
        return close(size, entry, lots, lots * price)
    _, _, gain = close(size, entry, -size, -size * price)
    opening = lots + size
    return opening, opening * price, gain
