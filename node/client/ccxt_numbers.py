"""Between the floats of traders' programs and the exact decimals of the protocol.

A float is read as the decimal of at most 15 digits that it stands for: 0.1 + 0.2 is 0.3, and
0.8 - 0.1 is 0.7 and not a lot less. Strings and decimals are taken as they are. What is sent is
always a decimal string with no more places than the market has.
"""

from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation

from node.client.ccxt_errors import BadRequest

Number = float | int | str | Decimal
"""What an amount or a price may be given as."""


def exact(value: Number) -> Decimal:
    """Return ``value`` as a finite decimal. Raises ``BadRequest``."""
    try:
        number = Decimal(f"{value:.15g}") if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise BadRequest(f"plimsoll: {value!r} is no number") from None
    if not number.is_finite():
        raise BadRequest(f"plimsoll: {value!r} is no number")
    return number


def rounded(value: Number, decimals: int) -> Decimal:
    """Return ``value`` at the nearest step, halves away from zero: what becomes of a price."""
    return _to_step(exact(value), decimals, ROUND_HALF_UP)


def truncated(value: Number, decimals: int) -> Decimal:
    """Return ``value`` at the next step toward zero: nobody trades more than was asked for."""
    return _to_step(exact(value), decimals, ROUND_DOWN)


def _to_step(number: Decimal, decimals: int, rounding: str) -> Decimal:
    try:
        return number.quantize(Decimal(1).scaleb(-decimals), rounding)
    except InvalidOperation:
        raise BadRequest(f"plimsoll: {number} is out of range") from None


def plain(number: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def units(number: Decimal, decimals: int) -> int:
    """Return ``number``, which has at most so many places, in steps of ``10**-decimals``."""
    return int(number.scaleb(decimals))


def iso8601(time_ms: int | None) -> str | None:
    """Return a time in milliseconds as text in UTC."""
    if time_ms is None:
        return None
    moment = datetime.fromtimestamp(time_ms / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
