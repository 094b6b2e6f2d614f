"""The marks and where funding stands, as the node last told them."""

from decimal import ROUND_DOWN, Decimal
from typing import Any

from node.client.session import Session
from node.client.subscription import Message
from node.client.valuation import market_called, ticks_of
from node.types.rules import Rules
from node.types.units import MONEY_DECIMALS, Millis, Ticks, units_from_decimal


class MarkTable:
    """The mark of each market in ticks, with the time that its reporters signed.

    ``indices`` are the funding indices, in money for each lot, and ``told`` all that was last told
    of a market. Empty until the first message; a market without a mark so far is in no table.
    """

    __slots__ = ("_rules", "indices", "prices", "times", "told")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.prices: dict[str, Ticks] = {}
        self.times: dict[str, Millis] = {}
        self.indices: dict[str, int] = {}
        self.told: dict[str, Message] = {}

    def take(self, message: Message) -> None:
        """Take in one message of the channel ``marks``."""
        marks: dict[str, Any] = message["marks"]
        for symbol, mark in marks.items():
            self.prices[symbol] = ticks_of(mark["price"], market_called(symbol, self._rules))
            self.times[symbol] = Millis(mark["time"])
            self.indices[symbol] = units_from_decimal(mark["funding"]["index"], MONEY_DECIMALS)
            self.told[symbol] = mark


def worst_price(mark: Ticks, buying: bool, slippage: Decimal) -> Ticks:
    """Return the worst price that ``slippage`` (a share of 1) allows, rounded toward the mark."""
    reach = int((Decimal(mark) * slippage).to_integral_value(ROUND_DOWN))
    return Ticks(mark + reach if buying else max(1, mark - reach))


async def follow_marks(session: Session) -> MarkTable:
    """Return a table that follows the marks, as soon as it holds those of now."""
    table = MarkTable(session.rules)
    await session.follow("marks", table.take)
    return table
