"""The life of a batch on its way to L1, as a table.

    SEALED ──SEND──▶ PENDING ──INCLUDE──▶ POSTED ──SECURE──▶ SAFE ──FINALIZE──▶ FINAL
      ▲ └────────────INCLUDE─────────────▶ │ │                │
      └──────DROP──────┴──────DROP─────────┘─┘──────DROP──────┘

A batch is included without having been sent where a process before this one sent it. A final batch
has no further step: if L1 takes one back, everything that was promised about it was wrong.
"""

from enum import Enum
from typing import Final

from node.types.errors import TransitionImpossible
from node.types.marks import Standing


class Step(Enum):
    """What can happen to a batch. DROP: its transaction is gone, or its block left the chain."""

    SEND = "send"
    INCLUDE = "include"
    SECURE = "secure"
    FINALIZE = "finalize"
    DROP = "drop"


NEXT: Final[dict[tuple[Standing, Step], Standing]] = {
    (Standing.SEALED, Step.SEND): Standing.PENDING,
    (Standing.SEALED, Step.INCLUDE): Standing.POSTED,
    (Standing.PENDING, Step.INCLUDE): Standing.POSTED,
    (Standing.PENDING, Step.DROP): Standing.SEALED,
    (Standing.POSTED, Step.SECURE): Standing.SAFE,
    (Standing.POSTED, Step.DROP): Standing.SEALED,
    (Standing.SAFE, Step.FINALIZE): Standing.FINAL,
    (Standing.SAFE, Step.DROP): Standing.SEALED,
}


def advance(index: int, standing: Standing, step: Step) -> Standing:
    """Return where batch ``index`` stands after ``step``. Raises ``TransitionImpossible``."""
    try:
        return NEXT[standing, step]
    except KeyError:
        raise TransitionImpossible(batch=index, standing=standing.name, step=step.name) from None
