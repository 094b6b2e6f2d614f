"""What one command can take is told by kind, and warned of where it is grossly too long."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from node.app.config import SequencerConfig
from node.app.long_commands import BLOCKS_MAX, kind_lines, warn_of_long_commands
from node.capacity.kinds import Kind, KindMeter
from node.capacity.worst_case import UNIT_NS, worst_case
from node.types.commands import SettleFunding
from node.types.rules import Limits
from tests.examples import RULES
from tests.unit.app.hand_clock import HandClock

BLOCK_MS = SequencerConfig().block_ms_max


def test_every_kind_is_told_whether_or_not_it_came() -> None:
    clock = HandClock()
    meter = KindMeter(clock.now_ns)
    for spent_ns in (40_000, 120_000):
        meter.begin()
        clock.ns += spent_ns
        meter.ran(SettleFunding(), ())
    node: Any = SimpleNamespace(
        meters=SimpleNamespace(kinds=meter), base=SimpleNamespace(rules=RULES)
    )
    lines = {line.kind: line for line in kind_lines(node)}
    assert list(lines) == [kind.word for kind in Kind]
    for kind in Kind:
        assert lines[kind.word].units == worst_case(kind, RULES).units
    funding, auction = lines["funding"], lines["uncross"]
    assert (funding.mean_us, funding.longest_ms) == (80.0, 0.12)
    assert funding.worst_ms == pytest.approx(0.08 + (funding.units - 1) * UNIT_NS / 1e6)
    assert (auction.mean_us, auction.longest_ms) == (None, None)
    assert auction.worst_ms == pytest.approx(auction.units * UNIT_NS / 1e6)


def test_the_defaults_are_not_warned_of() -> None:
    with capture_logs() as logs:
        warn_of_long_commands(msgspec.structs.replace(RULES, limits=Limits()), BLOCK_MS)
    assert logs == []


@pytest.mark.parametrize(
    ("limits", "kind", "lower"),
    [
        (Limits(orders_per_auction=2_000), "uncross", "limits.orders_per_auction"),
        (
            Limits(open_orders_per_account=10_000, orders_per_auction=1),
            "liquidate",
            "limits.open_orders_per_account",
        ),
    ],
)
def test_rules_that_let_a_command_take_many_blocks_are_named(
    limits: Limits, kind: str, lower: str
) -> None:
    with capture_logs() as logs:
        warn_of_long_commands(msgspec.structs.replace(RULES, limits=limits), BLOCK_MS)
    (told,) = logs
    assert (told["event"], told["log_level"]) == ("command_may_be_long", "warning")
    assert (told["kind"], told["lower"]) == (kind, lower)
    assert told["worst_ms"] > BLOCKS_MAX * told["block_ms_max"]
