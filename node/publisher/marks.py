"""The last mark of each market, kept from events alone."""

from node.types.durable import DurableBlock
from node.types.events import MarkMoved
from node.types.ids import MarketId, Sequence
from node.types.units import Millis, Ticks


class Marks:
    """Price (ticks) and oracle time of each market that ever had a mark."""

    __slots__ = ("by_market", "sequence")

    def __init__(self, sequence: Sequence) -> None:
        """Start without marks; ``sequence`` is that of the last command they rest on."""
        self.by_market: dict[MarketId, tuple[Ticks, Millis]] = {}
        self.sequence = sequence

    def take(self, block: DurableBlock) -> bool:
        """Follow ``block`` and return whether a mark moved in it."""
        moved = False
        for events in block.events:
            for event in events:
                if type(event) is MarkMoved:
                    self.by_market[event.market] = (event.price, event.time)
                    moved = True
        if moved:
            self.sequence = block.block.last_sequence
        return moved
