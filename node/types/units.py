"""Exact integer units of the exchange, and every conversion between them.

========  =====================================================================
Ticks     a price, in steps of ``10**-tick_decimals`` quote units
Lots      a size, in steps of ``10**-lot_decimals`` base units
Money     an amount of the quote asset, in millionths
Ppm       a rate, in millionths (1_000_000 is 100 %)
Millis    a point in time, in milliseconds since the Unix epoch, or a duration
========  =====================================================================

For every market ``tick_decimals + lot_decimals == 6``, so that price x size *is* money, exactly.
Every division names its rounding: in its function's name or, where a hot path divides in place, in
the docstring around it.
"""

from typing import NewType

from node.types.errors import MalformedNumber

Ticks = NewType("Ticks", int)
Lots = NewType("Lots", int)
Money = NewType("Money", int)
Ppm = NewType("Ppm", int)
Millis = NewType("Millis", int)

MONEY_DECIMALS = 6
PPM_ONE = 1_000_000

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MS_PER_S = 1_000
US_PER_MS = 1_000

UINT64_MAX = 2**64 - 1
LAG_MAX = Millis(2**40)
"""The longest time that a command may be told to lack finality: about 35 years."""


def notional(price: Ticks, size: Lots) -> Money:
    """Return the value of ``size`` lots at ``price``, exactly (no rounding can occur)."""
    return Money(price * size)


def part_rounded_up(amount: int, numerator: int, denominator: int) -> int:
    """Return ``amount * numerator / denominator``, rounded toward plus infinity."""
    assert denominator > 0
    return -(-amount * numerator // denominator)


def units_from_decimal(text: str, decimals: int) -> int:
    """Return the decimal number ``text`` as an integer count of ``10**-decimals``.

    Plain decimal notation only (``-12.50``): no exponent, no spaces, no digits finer than a unit.
    Raises ``MalformedNumber`` for anything else; nothing is ever rounded.
    """
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, point, fraction = digits.partition(".")
    fraction = fraction.rstrip("0") if point else fraction
    well_formed = (
        len(text) <= 40
        and whole.isdecimal()
        and whole.isascii()
        and (not point or digits[-1] != ".")
        and (not fraction or (fraction.isdecimal() and fraction.isascii()))
    )
    if not well_formed or len(fraction) > decimals:
        raise MalformedNumber(text=text[:40], decimals=decimals)
    return sign * int(whole + fraction.ljust(decimals, "0"))


def decimal_from_units(units: int, decimals: int) -> str:
    """Return ``units`` of ``10**-decimals`` in plain decimal notation, without trailing zeros."""
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    whole, fraction = digits[:-decimals], digits[-decimals:].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def money_text(amount: int) -> str:
    """Return an amount of money in plain decimal notation, exactly."""
    return decimal_from_units(amount, MONEY_DECIMALS)
