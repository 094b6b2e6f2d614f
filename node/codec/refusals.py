"""Why a command was refused, as its sender is told: in decimals and symbols, as he wrote it.

Inside, the figures of an error are those of the log: ticks, lots, millionths, and markets by their
numbers. What a tick and a lot are depends on the market, and that on the item that was refused.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from node.codec.json_errors import error_to_json
from node.types import errors
from node.types.commands import Command, PlaceOrders
from node.types.events import ItemRejected, Rejected
from node.types.rules import Rules
from node.types.units import decimal_from_units, money_text


class Unit(Enum):
    """What a figure counts. Rates and amounts of money are both in millionths."""

    PRICE = auto()
    SIZE = auto()
    MILLIONTHS = auto()


_PRICE, _SIZE, _MILLIONTHS = Unit

UNITS: Final[Mapping[int, Mapping[str, Unit]]] = {
    errors.SizeInvalid.code: {"size": _SIZE, "limit": _SIZE},
    errors.NotionalTooSmall.code: {"notional": _MILLIONTHS, "minimum": _MILLIONTHS},
    errors.PriceOutsideBand.code: {"price": _PRICE, "low": _PRICE, "high": _PRICE},
    errors.PostOnlyWouldCross.code: {"price": _PRICE, "best": _PRICE},
    errors.FillOrKillUnfilled.code: {"size": _SIZE},
    errors.NothingToTake.code: {"price": _PRICE, "best": _PRICE},
    errors.TriggerInvalid.code: {"trigger_price": _PRICE, "mark": _PRICE},
    errors.InsufficientCollateral.code: dict.fromkeys(("required", "free", "buffer"), _MILLIONTHS),
    errors.InsufficientMargin.code: dict.fromkeys(("equity", "required", "buffer"), _MILLIONTHS),
    errors.AmountInvalid.code: {"amount": _MILLIONTHS, "minimum": _MILLIONTHS},
    errors.PositionTooLarge.code: {"size": _SIZE, "limit": _SIZE},
    errors.FeeAboveMax.code: {"price": _MILLIONTHS, "max_fee": _MILLIONTHS},
}
"""By the code of the error and the name of the value, for all that an action can be told."""


class Refusals:
    """Tells of refusals under one set of rules. Immutable; build it once."""

    __slots__ = ("_markets",)

    def __init__(self, rules: Rules) -> None:
        self._markets = rules.markets

    def of_command(self, command: Command | None, refused: Rejected) -> dict[str, Any]:
        """Return the body of the error that the whole ``command`` was refused with.

        None is an oracle round, of which nobody is told figures of a market.
        """
        if not isinstance(command, PlaceOrders):
            market = getattr(command, "market", 0)
            return self._body(refused.code, refused.error, refused.values, market)
        markets = _markets_of(command)
        if refused.code != errors.EveryItemRejected.code:
            # Of one item it is the item's own; of several, or none, it is about none of them.
            market = markets[0] if markets else 0
            return self._body(refused.code, refused.error, refused.values, market)
        told: Any = refused.values["errors"]
        each = [
            self._body(one["code"], one["name"], one["values"], market)
            for one, market in zip(told, markets, strict=True)
        ]
        return error_to_json(refused.code, refused.error, {"errors": each})

    def of_item(self, command: PlaceOrders, refused: ItemRejected) -> dict[str, Any]:
        """Return the body of the error that an item of ``command`` was refused with."""
        market = _markets_of(command)[refused.item]
        return self._body(refused.code, refused.error, refused.values, market)

    def _body(self, code: int, name: str, values: Mapping[str, Any], market: int) -> dict[str, Any]:
        units = UNITS.get(code, {})
        told = {key: self._told(value, units.get(key), market) for key, value in values.items()}
        if "market" in values:
            told["market"] = self._symbol(values["market"])
        return error_to_json(code, name, told)

    def _told(self, value: Any, unit: Unit | None, market: int) -> object:
        if unit is None or value is None:
            return value
        if unit is _MILLIONTHS:
            return money_text(value)
        if not 1 <= market <= len(self._markets):
            return value
        rules = self._markets[market - 1]
        decimals = rules.tick_decimals if unit is _PRICE else rules.lot_decimals
        return decimal_from_units(value, decimals)

    def _symbol(self, market: int) -> object:
        """Return the symbol of ``market``, "" for all of them, as ``cancel_all`` names them."""
        if market == 0:
            return ""
        return self._markets[market - 1].symbol if market <= len(self._markets) else market


def _markets_of(command: PlaceOrders) -> list[int]:
    """Return the market of each item; a cancel does not name its own, and has 0."""
    amended, placed = (one.market for one in command.amends), (one.market for one in command.orders)
    return [*(0 for _ in command.cancels), *amended, *placed]
