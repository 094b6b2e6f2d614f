"""What a wallet signs as the most that it pays for a unit of work, where its owner says nothing."""

from typing import Any

from node.types.errors import FeeAboveMax, PlimsollError
from node.types.fees import FeeRules, fee_range
from node.types.units import MONEY_DECIMALS, Money, units_from_decimal

REACH_S = 5
"""The price may rise for so long after the last quote before an action is refused for it."""


class FeeLimit:
    """The highest price that the rules let the last quote rise to within ``REACH_S`` seconds.

    With the usual rules that is twice the quote. It is a limit: what is paid is the block's price.
    """

    __slots__ = ("_limit", "_rules", "_steps")

    def __init__(self, rules: FeeRules) -> None:
        self._rules = rules
        self._steps = -(-REACH_S * 1_000 // rules.step_ms) + 1
        self.quoted(rules.floor)

    def quoted(self, price: Money) -> None:
        """Take ``price`` as that of the next block."""
        self._limit = fee_range(self._rules, price, self._steps)[1]

    def told(self, message: dict[str, Any]) -> None:
        """Take in a message of the channel ``fee``."""
        self.quoted(Money(units_from_decimal(message["price"], MONEY_DECIMALS)))

    def refused(self, refusal: PlimsollError) -> None:
        """Take in the price that ``refusal`` names: the next action need not fail for it again."""
        if isinstance(refusal, FeeAboveMax) and isinstance(refusal.price, str):
            self.quoted(Money(units_from_decimal(refusal.price, MONEY_DECIMALS)))

    def __call__(self) -> Money:
        """Return what to sign now."""
        return self._limit
