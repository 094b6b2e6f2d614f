"""What a block opens with besides its number and its time: its price, and how far finality lags."""

import msgspec

from node.types.units import Millis, Money


class Terms(msgspec.Struct, frozen=True, gc=False):
    """``fee``: money for a unit of work. ``lag``: age of the oldest command not final on L1."""

    fee: Money
    lag: Millis


def free_terms(time: Millis) -> Terms:  # noqa: ARG001 - a source of terms is asked by time
    """Return the terms of an exchange that charges nothing and waits for no chain."""
    return Terms(Money(0), Millis(0))
