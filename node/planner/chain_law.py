"""What batches take of L1, and how long L1 takes, from reads of telemetry.

Bytes and gas do not depend on the node's load, so every window counts, busy ones too.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from node.capacity.telemetry import Telemetry
from node.planner.arrays import Vector
from node.planner.regression import LinearLaw, fit_linear, resamples_of, told_apart
from node.planner.service_law import Row, sample_of

_MS = 1e-3


class ChainLaw(msgspec.Struct, frozen=True):
    """What batches take of L1, and how long L1 takes."""

    batches: int
    commands_per_batch: float
    gas: LinearLaw
    """Over byte and batch."""
    data_bytes: LinearLaw
    """Over the kinds of command, by name, where the windows tell them apart, else over command;
    and over batch."""
    inclusion_s: Row
    """Equally likely times from when a batch could be sent to the block that holds it."""
    finality_s: Row


def chain_law(reads: Sequence[Telemetry], random: np.random.Generator) -> ChainLaw | None:
    """Return the law of all windows in which L1 included a batch; None if there was none.

    The reads are those of one start of the node, in order (``windows_of`` has checked that).
    """
    windows = [later.since(earlier).l1 for earlier, later in pairwise(reads)]
    used = [place for place, l1 in enumerate(windows) if l1.batches > 0]
    if not used:
        return None
    l1 = [windows[place] for place in used]
    batches = _column([window.batches for window in l1])
    data_bytes = _column([window.data_bytes for window in l1])
    gas = _column([window.gas for window in l1])
    commands = _column([window.commands for window in l1])
    resamples = resamples_of(len(used), random)
    by_kind = {name: kinds[used] for name, kinds in _kinds_on_chain(reads).items()}
    by_kind = {name: kinds for name, kinds in by_kind.items() if kinds.any()}
    # One kind that stands for another would be worse than none.
    if len(by_kind) < 2 or told_apart(by_kind) != tuple(by_kind):
        by_kind = {"command": commands}
    return ChainLaw(
        batches=int(batches.sum()),
        commands_per_batch=float(commands.sum() / batches.sum()),
        gas=fit_linear(gas, {"byte": data_bytes, "batch": batches}, resamples),
        data_bytes=fit_linear(data_bytes, {**by_kind, "batch": batches}, resamples),
        inclusion_s=sample_of([window.inclusion_ms for window in l1], _MS),
        finality_s=sample_of([window.finality_ms for window in windows], _MS),
    )


def _kinds_on_chain(reads: Sequence[Telemetry]) -> dict[str, Vector]:
    """Return how many commands of each kind L1 included in each window.

    L1 comes later than the log, and in the log's order: when it has had n commands, these were the
    first n of the log. What the first n held is read off the counters at the time when the log was
    n commands long, between two reads by proportion.
    """
    logged = _column([read.blocks.commands for read in reads])
    included = _column([read.l1.commands for read in reads])
    names = sorted({kind.kind for read in reads for kind in read.kinds})
    return {
        name: np.diff(np.interp(included, logged, _column([_commands(r, name) for r in reads])))
        for name in names
    }


def _commands(read: Telemetry, name: str) -> int:
    kind = read.kind(name)
    return kind.commands if kind else 0


def _column(values: Sequence[int]) -> Vector:
    return np.asarray(values, dtype=np.float64)
