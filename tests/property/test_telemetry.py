"""Counters lose nothing, whenever they are read."""

from hypothesis import given
from hypothesis import strategies as st

from node.capacity.histogram import Histogram
from node.capacity.kinds import KindMeter, kind_of
from node.capacity.telemetry import HistogramCounts, KindCounters
from node.types.commands import Command, Deposit, Liquidate, SettleFunding
from node.types.events import Rejected
from node.types.ids import MarketId
from node.types.units import Money
from tests.examples import ALICE

COMMANDS: tuple[Command, ...] = (
    Liquidate(MarketId(1), ALICE.address),
    SettleFunding(),
    Deposit(0, ALICE.address, Money(1)),
)
REFUSED = (Rejected(1, "Refused", {}),)

# What each command takes, and whether somebody reads the counters after it.
STEPS = st.lists(
    st.tuples(st.sampled_from(COMMANDS), st.integers(0, 10**9), st.booleans()), max_size=60
)


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@given(STEPS)
def test_windows_between_any_reads_add_up_to_the_whole(
    steps: list[tuple[Command, int, bool]],
) -> None:
    clock = Clock()
    meter = KindMeter(clock)
    start = before = meter.kinds()
    windows: list[tuple[KindCounters, ...]] = []
    meter.begin()
    for command, spent_ns, read in steps:
        clock.now += spent_ns
        meter.ran(command, REFUSED)
        if read:
            now = meter.kinds()
            windows.append(gains(now, before))
            before = now
    windows.append(gains(meter.kinds(), before))
    for place, whole in enumerate(gains(meter.kinds(), start)):
        own = [spent for command, spent, _ in steps if kind_of(command).word == whole.kind]
        parts = [window[place] for window in windows]
        assert whole.commands == sum(part.commands for part in parts) == len(own)
        assert whole.total_ns == sum(part.total_ns for part in parts) == sum(own)
        assert whole.square_ns2 == sum(part.square_ns2 for part in parts)
        assert whole.square_ns2 == sum(spent**2 for spent in own)


def gains(
    now: tuple[KindCounters, ...], before: tuple[KindCounters, ...]
) -> tuple[KindCounters, ...]:
    return tuple(later.since(past) for later, past in zip(now, before, strict=True))


@given(st.lists(st.integers(0, 2**50), max_size=80), st.integers(0, 80))
def test_a_histogram_read_twice_holds_each_value_once(values: list[int], cut: int) -> None:
    recorded = Histogram()
    for value in values[:cut]:
        recorded.record(value)
    earlier = HistogramCounts.of(recorded.snapshot())
    for value in values[cut:]:
        recorded.record(value)
    gained = HistogramCounts.of(recorded.snapshot()).since(earlier)
    alone = Histogram()
    for value in values[cut:]:
        alone.record(value)
    assert gained == HistogramCounts.of(alone.snapshot())
