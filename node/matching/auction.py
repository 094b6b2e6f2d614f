"""A call auction: all that meets in a block trades at one price, which nobody's speed decides.

At a price ``p`` the demand ``D(p)`` is what all would buy who pay ``p`` or more, the supply
``S(p)`` what all would sell who take ``p`` or less. Demand never rises with the price and supply
never falls, so the volume ``min(D, S)`` has one plateau, a stretch of prices without a gap, and
within it ``|D - S|`` has one as well. Chosen is

1. the largest volume,
2. of those prices, the smallest imbalance ``|D - S|``,
3. of those, the nearest to the mark.

Prices are whole ticks, and so is the mark: of a stretch without a gap one tick alone is the
nearest. A rule for what then is still equal (the lower price) would never be asked.

All orders of the shorter side trade in full. Of the longer side those with the better limit go
first, and at one limit those of the older batch: who rested before the block began. Where a batch
at one limit cannot be served in full, its orders share what is left in proportion to their sizes:
this is the frequent batch auction of Budish, Cramton and Shim (2015), price first, then time in
steps of whole batches. Each share is rounded down; the lots that remain go one each to the largest
fractions cut off, and of equal ones to the lower rank.

Nothing here knows accounts, margin or books. Everything is an exact integer.
"""

from collections import defaultdict
from collections.abc import Sequence as Ordered
from itertools import groupby
from typing import Final

import msgspec

from node.types.commands import Side
from node.types.units import Lots, Ticks

NO_PRICE: Final = Ticks(0)
"""The price of an auction in which nothing trades."""

# A name of this module is found several times faster than a member of an enum class.
_BUY: Final = Side.BUY


class Interest(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """``size`` lots that one order would trade at ``price`` or better.

    ``batch`` is the block since whose end it rests, later than all of those for one that has only
    just arrived; ``rank`` tells orders of one batch apart.
    """

    side: Side
    price: Ticks
    size: Lots
    batch: int
    rank: int


class Reach(msgspec.Struct, frozen=True, gc=False):
    """The prices that an auction may choose from, both ends included; at least 1."""

    low: Ticks
    high: Ticks


class Clearing(msgspec.Struct, frozen=True, gc=False):
    """One ``price`` for all, ``size`` lots in all, and ``shares[i]`` of them for interest ``i``.

    Shares of the buyers sum up to ``size``, and so do those of the sellers.
    """

    price: Ticks
    size: Lots
    shares: list[int]


def clear(interests: Ordered[Interest], mark: int, reach: Reach) -> Clearing:
    """Return what the auction of ``interests`` comes to; ``NO_PRICE`` where nothing trades.

    Nobody trades at a price worse than his limit. The order of ``interests`` makes no difference.
    Their ranks must differ.
    """
    price, size = _price_and_size(interests, mark, reach)
    shares = [0] * len(interests)
    if size:
        for side in Side:
            _share(interests, side, price, size, shares)
    return Clearing(price, Lots(size), shares)


def _price_and_size(interests: Ordered[Interest], mark: int, reach: Reach) -> tuple[Ticks, int]:
    low, high = reach.low, reach.high
    demand = supply = 0
    # By the price from which on it holds: what is no longer asked for there, what is offered too.
    steps: defaultdict[int, int] = defaultdict(int)
    offers: defaultdict[int, int] = defaultdict(int)
    for interest in interests:
        price, size = interest.price, interest.size
        if interest.side is _BUY:
            if price >= low:
                demand += size
                steps[price + 1] -= size
        elif price <= low:
            supply += size
        else:
            offers[price] += size
    best, first, last = (0, 0), low, low
    start: int = low
    for end in sorted({at for at in (*steps, *offers) if low < at <= high} | {high + 1}):
        worth = (min(demand, supply), -abs(demand - supply))
        if worth > best:
            best, first, last = worth, Ticks(start), Ticks(end - 1)
        elif worth == best:
            last = Ticks(end - 1)
        demand += steps.get(end, 0)
        supply += offers.get(end, 0)
        start = end
    if not best[0]:
        return NO_PRICE, 0
    return Ticks(min(max(mark, first), last)), best[0]


def _share(
    interests: Ordered[Interest], side: Side, price: int, size: int, shares: list[int]
) -> None:
    """Give ``size`` lots to those of ``side`` who trade at ``price``, the first in turn first."""

    def turn(place: int) -> tuple[int, int]:
        interest = interests[place]
        return (-interest.price if side is _BUY else interest.price, interest.batch)

    willing = sorted(
        (
            place
            for place, interest in enumerate(interests)
            if interest.side is side
            and (interest.price >= price if side is _BUY else interest.price <= price)
        ),
        key=turn,
    )
    left = size
    for _, group in groupby(willing, key=turn):
        places = list(group)
        total = sum(interests[place].size for place in places)
        if total > left:
            _ration(interests, places, left, total, shares)
            return
        for place in places:
            shares[place] = interests[place].size
        left -= total
        if not left:
            return


def _ration(
    interests: Ordered[Interest], places: list[int], left: int, total: int, shares: list[int]
) -> None:
    """Share ``left`` lots among ``places``, which want ``total``, in proportion to their sizes.

    Rounded down; the rest, one lot each, to the largest remainders (of equal ones: lower rank).
    """
    given = 0
    for place in places:
        shares[place] = interests[place].size * left // total
        given += shares[place]
    rest = left - given
    if rest:
        places.sort(key=lambda at: (-(interests[at].size * left % total), interests[at].rank))
        for place in places[:rest]:
            shares[place] += 1
