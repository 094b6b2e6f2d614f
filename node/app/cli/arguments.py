"""What is typed after a command, read before anything is done: a slip is told at once, with code 2.

All raise ``ConfigInvalid``, which names the argument and what would be allowed.
"""

import os
from pathlib import Path

from node.types.errors import ConfigInvalid, PlimsollError
from node.types.ids import Address, MarketId, address_from_hex
from node.types.rules import MarketRules, Rules
from node.types.units import MONEY_DECIMALS, Money, units_from_decimal


def read_address(name: str, text: str) -> Address:
    """Return the address in ``text``."""
    try:
        return address_from_hex(text)
    except PlimsollError:
        fault = f"{name}: {text}: 0x and 40 hexadecimal digits allowed"
        raise ConfigInvalid(faults=(fault,)) from None


def read_money(name: str, text: str) -> Money:
    """Return a decimal number of dollars in millionths; it must be positive."""
    try:
        amount = units_from_decimal(text, MONEY_DECIMALS)
    except PlimsollError:
        amount = 0
    if amount <= 0:
        fault = f"{name}: {text}: a positive decimal with up to {MONEY_DECIMALS} places allowed"
        raise ConfigInvalid(faults=(fault,))
    return Money(amount)


def read_units(name: str, text: str, decimals: int) -> int:
    """Return a positive decimal number in steps of ``10**-decimals``; nothing is rounded."""
    try:
        units = units_from_decimal(text, decimals)
    except PlimsollError:
        units = 0
    if units <= 0:
        fault = f"{name}: {text}: a positive decimal with up to {decimals} places allowed"
        raise ConfigInvalid(faults=(fault,))
    return units


def read_market(symbol: str, rules: Rules) -> tuple[MarketId, MarketRules]:
    """Return the market that is called ``symbol``, in any case, with its id."""
    for place, market in enumerate(rules.markets, start=1):
        if market.symbol.lower() == symbol.lower():
            return MarketId(place), market
    names = ", ".join(market.symbol for market in rules.markets)
    raise ConfigInvalid(faults=(f"market: {symbol}: {names} allowed",))


def require_places(**files: Path | None) -> None:
    """Return where each file that was asked for can be written: the work before it may take hours.

    Files are named by their option; None was not asked for.
    """
    faults = tuple(
        f"{name}: {file}: {fault}"
        for name, file in files.items()
        if file is not None and (fault := _fault_of(file))
    )
    if faults:
        raise ConfigInvalid(faults=faults)


def _fault_of(file: Path) -> str:
    if file.is_dir():
        return "is a folder"
    if not file.parent.is_dir():
        return f"there is no folder {file.parent}"
    return "" if os.access(file.parent, os.W_OK) else f"{file.parent} cannot be written to"
