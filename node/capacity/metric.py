"""Figures of the node that are not a stage's: named once, read when asked.

Every reading is an integer in the unit that the code counts in; ``per_unit`` of them make one base
unit of the exported figure (a million millionths of the quote asset are 1, 10^9 nanoseconds are a
second).
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from node.capacity.histogram import Distribution

Reading = int | Mapping[tuple[str, ...], int]
"""One number, or one for each combination of label values, in the order of ``Metric.labels``."""


class Metric(msgspec.Struct, frozen=True):
    """A gauge (goes both ways) or a counter (only grows).

    ``name`` bears its base unit (``mark_age_seconds``) and neither prefix nor ``_total``; ``about``
    is one line for a stranger. Label values come from small fixed sets: a tier, a cause, never an
    account.
    """

    name: str
    about: str
    kind: Literal["gauge", "counter"]
    read: Callable[[], Reading]
    labels: tuple[str, ...] = ()
    per_unit: int = 1


class HistogramMetric(msgspec.Struct, frozen=True):
    """A histogram outside of any stage (journal_fsync_seconds, journal_group_records)."""

    name: str
    about: str
    read: Callable[[], Distribution]
    per_unit: int = 1
