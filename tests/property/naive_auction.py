"""The auction as its rules read, slow and plain: every price is tried, every lot is counted."""

from collections.abc import Iterable
from fractions import Fraction

from node.matching.auction import Interest
from node.types.commands import Side


def trades_at(interest: Interest, price: int) -> bool:
    if interest.side == Side.BUY:
        return interest.price >= price
    return interest.price <= price


def wanted(interests: list[Interest], side: Side, price: int) -> int:
    return sum(one.size for one in interests if one.side == side and trades_at(one, price))


def prices_that_matter(interests: list[Interest], mark: int, low: int, high: int) -> set[int]:
    """Return prices among which the auction's is: all others are like one of these.

    Demand and supply change at limits alone, so of a stretch between two of them the ends matter,
    and where the mark is nearest.
    """
    near = {one.price + step for one in interests for step in (-1, 0, 1)}
    return {price for price in near | {mark, low, high} if low <= price <= high}


def price_and_size(interests: list[Interest], mark: int, prices: Iterable[int]) -> tuple[int, int]:
    """Return the price and the size of the auction, (0, 0) where nothing trades."""
    tried = []
    for price in prices:
        demand = wanted(interests, Side.BUY, price)
        supply = wanted(interests, Side.SELL, price)
        volume = min(demand, supply)
        tried.append((-volume, abs(demand - supply), abs(price - mark), price))
    volume, _, _, price = min(tried)
    return (price, -volume) if volume else (0, 0)


def shares(interests: list[Interest], price: int, size: int) -> list[int]:
    """Return what each gets: by price, then by batch, and within a batch in proportion."""
    given = [0] * len(interests)
    for side in Side:
        left = size
        while left:
            first = min(
                _turn(one)
                for place, one in enumerate(interests)
                if one.side == side and trades_at(one, price) and not given[place]
            )
            group = [
                place
                for place, one in enumerate(interests)
                if one.side == side and _turn(one) == first
            ]
            total = sum(interests[place].size for place in group)
            part = min(Fraction(1), Fraction(left, total))
            exact = {place: interests[place].size * part for place in group}
            for place in group:
                given[place] = int(exact[place])
            short = min(left, total) - sum(given[place] for place in group)
            group.sort(key=lambda at: (given[at] - exact[at], interests[at].rank))
            for place in group[:short]:
                given[place] += 1
            left -= min(left, total)
    return given


def _turn(one: Interest) -> tuple[int, int]:
    return (-one.price if one.side == Side.BUY else one.price), one.batch
