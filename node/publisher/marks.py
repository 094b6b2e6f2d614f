"""The last mark of each market, and what follows from its age; kept from events alone."""

from typing import Any

from node.margin.staleness import buffer_for, data_age
from node.margin.volatility import volatility_of
from node.types.durable import DurableBlock
from node.types.events import BlockOpened, MarkMoved
from node.types.ids import MarketId, Sequence
from node.types.rules import Rules
from node.types.units import Millis, Ticks


class Marks:
    """Price (ticks), oracle time and variance of each market that ever had a mark.

    ``time`` and ``lag`` are the last block's.
    """

    __slots__ = ("by_market", "lag", "sequence", "time", "variances")

    def __init__(self, sequence: Sequence) -> None:
        """Start without marks; ``sequence`` is that of the last command they rest on."""
        self.by_market: dict[MarketId, tuple[Ticks, Millis]] = {}
        self.variances: dict[MarketId, int] = {}
        self.sequence = sequence
        self.time = 0
        self.lag = 0

    def take(self, block: DurableBlock) -> bool:
        """Follow ``block`` and return whether a mark moved in it."""
        moved = False
        for events in block.events:
            for event in events:
                if type(event) is MarkMoved:
                    self.by_market[event.market] = (event.price, event.time)
                    self.variances[event.market] = event.variance
                    moved = True
                elif type(event) is BlockOpened:
                    self.time, self.lag = event.time, event.lag
        if moved:
            self.sequence = block.block.last_sequence
        return moved

    def staleness(self, rules: Rules, market: MarketId) -> dict[str, Any]:
        """Return what the age of the market's data meant to an order of the last block.

        ``buffer``: millionths beyond initial margin. ``opens``: whether anything could be opened.
        ``volatility``: millionths per square root of a second, rounded up. Without a mark nothing
        opens, and there are no figures.
        """
        known = self.by_market.get(market)
        if known is None:
            return {"data_age_ms": None, "volatility": None, "buffer": None, "opens": False}
        its, variance = rules.market(market), self.variances[market]
        age_ms = data_age(self.time, known[1], self.lag, rules.finality_ms)
        buffer, too_old = buffer_for(its, variance, age_ms)
        return {
            "data_age_ms": age_ms,
            "volatility": volatility_of(variance),
            "buffer": buffer,
            "opens": not too_old and self.time - known[1] <= its.mark_stale_ms,
        }
