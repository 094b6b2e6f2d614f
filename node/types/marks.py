"""How far a batch has come on its way to L1, as the stations tell each other."""

from enum import IntEnum

import msgspec

from node.types.ids import Sequence
from node.types.units import Millis


class Standing(IntEnum):
    """Where a batch stands; a later one includes all that the earlier ones promise.

    SEALED: durable here. PENDING: sent. POSTED: in an L1 block. SAFE: deep enough that a reorg is
    unlikely. FINAL: L1 will not take it back.
    """

    SEALED = 0
    PENDING = 1
    POSTED = 2
    SAFE = 3
    FINAL = 4


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Batch ``index``, which ends with command ``last_sequence``, now stands so.

    ``block`` is the L1 block that holds it, -1 where none does. ``time`` is when this node saw it.
    ``cause`` says why a batch fell back to SEALED (one of few fixed words), else it is empty.
    """

    index: int
    standing: Standing
    last_sequence: Sequence
    block: int
    time: Millis
    cause: str = ""
