"""A position with isolated margin, and what it is worth.

With signed size ``q`` (lots), signed entry value ``N`` (the sum of price x size over what is open),
margin ``C``, mark price ``P`` and funding index ``F`` (money per lot; ``F0`` when the position was
last settled):

    equity = C + q*P - N - q*(F - F0)                                    exact, in Money

``q*P`` sums to zero over all accounts of a market, and so do the funding payments: whatever one
side is owed the other side owes. No division takes part, so no unit of money is ever lost.
"""

from typing import Final

from node.types.ids import Address, MarketId
from node.types.rules import MarketRules
from node.types.units import PPM_ONE, Lots, Money, Ticks

NO_LOTS: Final = Lots(0)
NO_MONEY: Final = Money(0)


class Position:
    """One account's position in one market; it stays in place, empty, while orders rest.

    ``resting`` holds the lots of the account's resting orders that are not reduce-only: buys,
    sells. ``rank`` is the key under which the auto-deleveraging queue holds the position.
    """

    __slots__ = (
        "account",
        "entry",
        "funding",
        "margin",
        "market",
        "rank",
        "ranked_long",
        "resting",
        "size",
    )

    def __init__(self, account: Address, market: MarketId) -> None:
        self.account = account
        self.market = market
        self.size = 0
        self.entry = 0
        self.margin = 0
        self.funding = 0
        self.resting = [0, 0]
        self.rank: int | None = None
        self.ranked_long = False

    def owed_funding(self, index: int) -> int:
        """Return what the position owes since its last settlement (negative: is owed)."""
        return self.size * (index - self.funding)

    def equity(self, price: int, index: int) -> Money:
        """Return the position's equity at ``price`` and funding index ``index``."""
        return Money(
            self.margin + self.size * price - self.entry - self.size * (index - self.funding)
        )

    def reducible(self, side: int) -> Lots:
        """Return how many lots an order on ``side`` (0 buy, 1 sell) could close."""
        size = self.size if side else -self.size
        return size if size > 0 else NO_LOTS  # type: ignore[return-value]  # Lots() costs a call.

    def bankruptcy_price(self, index: int, backing: int = 0) -> Ticks:
        """Return the worst price at which closing everything leaves nothing owed.

        ``backing`` is money that stands behind the margin (the insurance fund's). Rounded so that
        the position stays solvent: up for a long, down for a short; never below 0 (a short whose
        result is 0 is bankrupt at every price).
        """
        backed = self.margin - self.owed_funding(index) + backing
        if self.size > 0:
            return Ticks(max(0, -((backed - self.entry) // self.size)))
        return Ticks(max(0, (backed - self.entry) // -self.size))


def initial_margin(rules: MarketRules, size: int, price: int, buffer: int = 0) -> Money:
    """Return what a position of ``size`` lots (signed) needs to be opened; rounded up.

    ``buffer``: what the age of the data asks beyond the bracket's rate, in millionths of the value;
    see ``node.margin.staleness``.
    """
    size = abs(size)
    rate = rules.bracket(size).initial + buffer
    return -(-size * price * rate // PPM_ONE)  # type: ignore[return-value]  # Money() costs a call.


def maintenance_margin(rules: MarketRules, size: int, price: int) -> Money:
    """Return what a position of ``size`` lots (signed) needs to be kept; rounded up."""
    size = abs(size)
    rate = rules.bracket(size).maintenance
    return -(-size * price * rate // PPM_ONE)  # type: ignore[return-value]  # As above.


def order_reserve(
    rules: MarketRules, price: int, opening: int, exposure: int, buffer: int = 0
) -> Money:
    """Return what an order that opens up to ``opening`` lots at ``price`` holds back.

    Initial margin at the bracket of the largest position it may lead to (``exposure`` lots), with
    the ``buffer`` of this moment, and the dearer of the two fees; both rounded up.
    """
    if opening <= 0:
        return NO_MONEY
    value = price * opening
    rate = rules.bracket(exposure).initial + buffer
    maker_fee, taker_fee = rules.maker_fee, rules.taker_fee
    fee = maker_fee if maker_fee > taker_fee else taker_fee
    margin = -(-value * rate // PPM_ONE)
    return margin - (-value * fee // PPM_ONE)  # type: ignore[return-value]  # As above.
