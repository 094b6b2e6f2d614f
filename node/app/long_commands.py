"""How long one command may hold the loop: told by kind, and warned of at the start."""

from typing import TYPE_CHECKING, Final

import structlog

from node.capacity.kinds import Kind
from node.capacity.loadline import KindLine
from node.capacity.worst_case import UNIT_NS, rule_to_lower, worst_case, worst_ns
from node.types.rules import Rules
from node.types.units import NS_PER_MS

if TYPE_CHECKING:
    from node.app.node import Node

BLOCKS_MAX: Final = 100
"""A command that may take as long as so many full blocks is warned of. By the rules' defaults an
auction may take 61."""

_US: Final = 1_000

_log = structlog.get_logger(__name__)


def kind_lines(node: "Node") -> tuple[KindLine, ...]:
    """Return what each kind of command took so far, and could take by the rules in force."""
    meter, rules = node.meters.kinds, node.base.rules
    lines = []
    for kind, row, longest_ns in zip(Kind, meter.kinds(), meter.longest_ns(), strict=True):
        units = worst_case(kind, rules).units
        lines.append(
            KindLine(
                kind=row.kind,
                units=units,
                mean_us=row.total_ns / row.commands / _US if row.commands else None,
                longest_ms=longest_ns / NS_PER_MS if row.commands else None,
                worst_ms=worst_ns(units, row) / NS_PER_MS,
            )
        )
    return tuple(lines)


def warn_of_long_commands(rules: Rules, block_ms_max: float) -> None:
    """Warn of the kind that can take longest, where that is grossly longer than a block may."""
    worst = max((worst_case(kind, rules) for kind in Kind), key=lambda case: case.units)
    worst_ms = worst.units * UNIT_NS / NS_PER_MS
    if worst_ms > BLOCKS_MAX * block_ms_max:
        _log.warning(
            "command_may_be_long",
            kind=worst.kind.word,
            units=worst.units,
            worst_ms=round(worst_ms),
            block_ms_max=block_ms_max,
            lower=rule_to_lower(worst.kind, rules),
        )
