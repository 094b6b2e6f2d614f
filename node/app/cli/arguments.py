"""What is typed after a command, read before anything is done: a slip is told at once, with code 2.

All raise ``ConfigInvalid``, which names the argument and what would be allowed.
"""

import os
import re
from pathlib import Path
from typing import Final

from node.codec.ranges import MONEY_MAX
from node.types.errors import ConfigInvalid, PlimsollError
from node.types.ids import Address, MarketId, address_from_hex
from node.types.rules import MarketRules, Rules
from node.types.units import (
    MONEY_DECIMALS,
    UINT64_MAX,
    Millis,
    Money,
    decimal_from_units,
    units_from_decimal,
)

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")


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
    if not 0 < amount <= MONEY_MAX:
        fault = f"{name}: {text}: {_allowed(MONEY_DECIMALS, MONEY_MAX)}"
        raise ConfigInvalid(faults=(fault,))
    return Money(amount)


def read_units(name: str, text: str, decimals: int) -> int:
    """Return a positive decimal number in steps of ``10**-decimals``; nothing is rounded."""
    try:
        units = units_from_decimal(text, decimals)
    except PlimsollError:
        units = 0
    if not 0 < units <= UINT64_MAX:
        fault = f"{name}: {text}: {_allowed(decimals, UINT64_MAX)}"
        raise ConfigInvalid(faults=(fault,))
    return units


def _allowed(decimals: int, most: int) -> str:
    highest = decimal_from_units(most, decimals)
    return f"a decimal above 0, with up to {decimals} places and at most {highest}, allowed"


def read_duration(name: str, text: str) -> int:
    """Return a duration above zero in milliseconds: a whole number and its unit."""
    found = _DURATION.fullmatch(text)
    duration = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if duration <= 0:
        fault = f"{name}: {text}: a whole number with ms, s, m, h or d allowed, as 90s"
        raise ConfigInvalid(faults=(fault,))
    return duration


def read_moment(name: str, text: str, now: Millis) -> Millis:
    """Return a point in time: a duration from ``now`` on, or milliseconds since the Unix epoch."""
    if not (text.isascii() and text.isdecimal()):
        return Millis(now + read_duration(name, text))
    if not now < int(text) <= UINT64_MAX:
        fault = f"{name}: {text}: milliseconds since 1970 that are yet to come, or 90s, allowed"
        raise ConfigInvalid(faults=(fault,))
    return Millis(int(text))


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
