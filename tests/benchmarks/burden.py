"""One measured burden: a figure with its unit, and what it is a figure of."""

import msgspec


class Burden(msgspec.Struct, frozen=True):
    """``value`` in ``unit``; ``of`` says what was measured, and on how much."""

    what: str
    value: float
    unit: str
    of: str


def burden(what: str, value: float, unit: str, of: str) -> Burden:
    """Return the row, to three decimals."""
    return Burden(what, round(value, 3), unit, of)
