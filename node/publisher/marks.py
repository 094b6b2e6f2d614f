"""Mark, volatility and funding of each market, and what follows from the age of its mark.

Read from the markets' leaves of the state tree, which a durable block brings where it changed them:
the premium so far stands in no event. ``Accounts`` counts the open interest.
"""

from typing import Any, Final

import msgspec

from node.margin.funding import RATE_DECIMALS, mean_premium, rate_so_far
from node.margin.staleness import buffer_for, data_age
from node.margin.volatility import volatility_of
from node.transition.leaves import MARKET
from node.types.durable import DurableBlock
from node.types.events import BlockOpened
from node.types.ids import MarketId, Sequence
from node.types.rules import Rules
from node.types.units import Millis, Ticks, decimal_from_units, money_text

_MARKET: Final = 4
"""The first byte of a market's leaf."""


class Marked(msgspec.Struct, frozen=True, gc=False):
    """A market that has a mark: ``price`` in ticks since ``time``, the oracle's.

    ``index`` is money for each lot. ``premium_sum`` is in half ticks, over ``samples`` since the
    last move of the index; it moves next at ``funding_time``.
    """

    price: Ticks
    time: Millis
    variance: int
    funding_time: Millis
    index: int
    premium_sum: int
    samples: int


class Marks:
    """Each market that ever had a mark. ``time`` and ``lag`` are the last block's."""

    __slots__ = ("by_market", "lag", "sequence", "time")

    def __init__(self, sequence: Sequence) -> None:
        """Start without marks; ``sequence`` is that of the last command they rest on."""
        self.by_market: dict[MarketId, Marked] = {}
        self.sequence = sequence
        self.time = 0
        self.lag = 0

    def take(self, block: DurableBlock) -> bool:
        """Follow ``block`` and return whether it moved a mark or a funding index."""
        for event in block.events[0]:
            if type(event) is BlockOpened:
                self.time, self.lag = event.time, event.lag
        moved = False
        for key, value in block.leaves.items():
            if key[0] == _MARKET and value is not None:
                self.by_market[MarketId(int.from_bytes(key[1:3], "big"))] = _marked(value)
                moved = True
        if moved:
            self.sequence = block.block.last_sequence
        return moved

    def funding(self, rules: Rules, market: MarketId) -> dict[str, Any] | None:
        """Return where funding stands; None before the first mark.

        ``premium`` is the mean so far and ``rate`` what that would come to over a whole interval:
        shares of the mark, rounded toward minus infinity.
        """
        known = self.by_market.get(market)
        if known is None:
            return None
        so_far = known.premium_sum, known.samples, known.price
        rate = rate_so_far(rules.market(market), *so_far)
        return {
            "index": money_text(known.index),
            "premium": decimal_from_units(mean_premium(*so_far), RATE_DECIMALS),
            "samples": known.samples,
            "rate": decimal_from_units(rate, RATE_DECIMALS),
            "next_time": known.funding_time,
        }

    def staleness(self, rules: Rules, market: MarketId) -> dict[str, Any]:
        """Return what the age of the market's data meant to an order of the last block.

        ``buffer``: millionths beyond initial margin. ``opens``: whether anything could be opened.
        ``volatility``: millionths per square root of a second, rounded up. Without a mark nothing
        opens, and there are no figures.
        """
        known = self.by_market.get(market)
        if known is None:
            return {"data_age_ms": None, "volatility": None, "buffer": None, "opens": False}
        its = rules.market(market)
        age_ms = data_age(self.time, known.time, self.lag, rules.finality_ms)
        buffer, too_old = buffer_for(its, known.variance, age_ms)
        return {
            "data_age_ms": age_ms,
            "volatility": volatility_of(known.variance),
            "buffer": buffer,
            "opens": not too_old and self.time - known.time <= its.mark_stale_ms,
        }


def _marked(leaf: bytes) -> Marked:
    price, time, funding_time, samples, _, _, variance, index, premium_sum, _ = MARKET.unpack(leaf)
    return Marked(
        price,
        time,
        variance,
        funding_time,
        int.from_bytes(index, "big", signed=True),
        int.from_bytes(premium_sum, "big", signed=True),
        samples,
    )
