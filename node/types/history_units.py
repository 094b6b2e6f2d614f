"""Values of the history's columns as people read them: exact decimals, symbols, true and false."""

from collections.abc import Iterable
from typing import Any, Final

from node.types.history import Column, Row, Table, Unit
from node.types.rules import MarketRules, Rules
from node.types.units import MONEY_DECIMALS, decimal_from_units

DECIMALS: Final = frozenset({Unit.PRICE, Unit.SIZE, Unit.MONEY})
"""The units whose values are read as decimals."""


def decimals_of(unit: Unit, market: MarketRules | None) -> int:
    """Return how many decimal places a unit has, for prices and sizes in ``market``."""
    if unit is Unit.MONEY:
        return MONEY_DECIMALS
    assert market is not None, "a price or a size is of a market"
    return market.tick_decimals if unit is Unit.PRICE else market.lot_decimals


def readable(table: Table, rows: Iterable[Row], rules: Rules) -> list[dict[str, Any]]:
    """Return ``rows`` as JSON has them: decimals as texts, markets by their symbols."""
    return [{column.name: _shown(column, row, rules) for column in table.columns} for row in rows]


def market_of(row: Row, rules: Rules) -> MarketRules | None:
    """Return the rules of the row's market, None where it is of none."""
    number = row.get("market")
    return rules.markets[number - 1] if isinstance(number, int) else None


def _shown(column: Column, row: Row, rules: Rules) -> Any:
    value = row[column.name]
    if value is None:
        return None
    unit = column.unit
    if unit in DECIMALS:
        return decimal_from_units(int(value), decimals_of(unit, market_of(row, rules)))
    if unit is Unit.MARKET:
        return rules.markets[int(value) - 1].symbol
    if unit is Unit.FLAG:
        return bool(value)
    return int(value) if unit is Unit.NUMBER else value
