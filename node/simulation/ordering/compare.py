"""Every rule of order on the same tapes, for blocks of several lengths."""

from collections.abc import Callable, Sequence

import msgspec

from node.simulation.flow.config import FlowConfig
from node.simulation.ordering.measure import (
    Figures,
    Interval,
    differences,
    figures_of,
    intervals,
)
from node.simulation.ordering.play import play, rules_for
from node.simulation.ordering.tape import Setting, make_tape
from node.types.rules import Ordering, Rules

HORIZON_S = 5.0
"""How long after a fill its worth is told: twenty further prices have come by then."""


class Row(msgspec.Struct, frozen=True):
    """One ordering at one length of blocks.

    ``figures`` are means over the seeds; ``against`` what differs from CONTINUOUS on the same
    tapes, with intervals of its own: far narrower, because the tapes differ more than the rules.
    """

    ordering: Ordering
    block_ms: int
    figures: dict[str, Interval]
    against: dict[str, Interval]


class Comparison(msgspec.Struct, frozen=True):
    """All rows, and what it takes to come to them again."""

    setting: Setting
    seeds: list[int]
    horizon_s: float
    rows: list[Row]

    def encode(self) -> bytes:
        """Return it as JSON."""
        return msgspec.json.format(msgspec.json.encode(self))


def compare(
    flow: FlowConfig,
    rules: Rules,
    setting: Setting,
    seeds: Sequence[int],
    blocks_ms: Sequence[int],
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Play the tape of each seed through each ordering. ``progress`` hears of each run."""
    horizon_ns = int(HORIZON_S * 1e9)
    tapes = [
        make_tape(flow, rules_for(rules, Ordering.CONTINUOUS), setting, seed) for seed in seeds
    ]
    rows: list[Row] = []
    for block_ms in blocks_ms:
        runs: dict[Ordering, list[Figures]] = {ordering: [] for ordering in Ordering}
        for ordering, done in runs.items():
            market = rules_for(rules, ordering)
            for seed, tape in zip(seeds, tapes, strict=True):
                if progress is not None:
                    progress(f"{block_ms} ms, {ordering.value}, seed {seed}")
                done.append(figures_of(tape, play(tape, market, block_ms), horizon_ns))
        base = runs[Ordering.CONTINUOUS]
        rows += [
            Row(ordering, block_ms, intervals(done), differences(done, base))
            for ordering, done in runs.items()
        ]
    return Comparison(setting, list(seeds), HORIZON_S, rows)
