"""The load line: its window, whoever asked meanwhile, and what of the counters its laws take."""

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from node.app import load_line
from node.app.load_line import FRESH_NS, PUSH_S, SPAN_NS, LoadWatch, journal_of, push_load
from node.capacity.histogram import bucket_high, bucket_index
from node.capacity.kinds import KindMeter
from node.capacity.loadline import FeeLine, Knee, LoadLine, StageLine
from node.capacity.registry import Capacity
from node.capacity.telemetry import (
    BlockCounters,
    HistogramCounts,
    JournalCounters,
    KindCounters,
    L1Counters,
    LoopCounters,
    Telemetry,
)
from node.settlement.sealed import Pressure
from node.types.fees import FREE, FeeRules
from node.types.hold_up import HoldUp
from node.types.rules import Rules
from tests.examples import RULES
from tests.unit.app.hand_clock import HandClock
from tests.unit.planner.telemetry_examples import EMPTY


class Counters:
    """Meters that have counted nothing, and the clock that they are read by."""

    def __init__(self) -> None:
        self.clock = HandClock()

    def read(self) -> Telemetry:
        return msgspec.structs.replace(EMPTY, at_ns=self.clock.ns)


def watch_of(counters: Counters) -> LoadWatch:
    node: Any = SimpleNamespace(
        config=SimpleNamespace(sequencer=SimpleNamespace(signature_workers=1)),
        base=SimpleNamespace(clock=counters.clock),
        capacity=Capacity(started_ns=0),
    )
    meters: Any = counters
    return LoadWatch(node, meters)


@pytest.mark.parametrize("turns", [100, 107, 119, 2_000])
async def test_the_window_moves_though_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    counters = Counters()
    watch = watch_of(counters)
    end_ns = int(turns * PUSH_S * 1e9)

    async def turn(seconds: float) -> None:
        if counters.clock.ns == end_ns:
            raise asyncio.CancelledError
        counters.clock.ns += int(seconds * 1e9)

    monkeypatch.setattr(load_line, "asyncio", SimpleNamespace(sleep=turn))
    publisher: Any = SimpleNamespace(tell=lambda _channel: None)
    with pytest.raises(asyncio.CancelledError):
        await push_load(publisher, watch)
    # Somebody looks for the first time now.
    assert SPAN_NS <= end_ns - watch._window.begin.rest.at_ns <= 2 * SPAN_NS


def test_the_journal_is_told_by_what_a_block_can_hold_in_its_time() -> None:
    """Of 512 orders at 20 us a block of 3 ms holds 150: 50 bulks of three each."""
    told = msgspec.structs.replace(
        EMPTY,
        kinds=(KindCounters("bulk", 100, 300, 0, 0, 0),),
        journal=JournalCounters(appends=40, bytes=1, total_ns=40 * 10_000_000),
    )
    limit = journal_of(told, 150)
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(5_000)


BUSY = msgspec.structs.replace(
    EMPTY,
    kinds=(KindCounters("place", 1_000, 1_000, 0, 0, 0),),
    blocks=BlockCounters(count=1, commands=1_000, total_ns=0),
    loop=LoopCounters(busy_ns=10**9, elapsed_ns=5 * 10**9, turns=0),
    l1=L1Counters(10, 1_000, 50_000, 2_000_000, HistogramCounts({0: 10}, 0), HistogramCounts()),
)


class Port:
    """A node under load beside its L1, as the load line sees the two; time stands still."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, told: Telemetry = BUSY, rules: Rules = RULES
    ) -> None:
        for part in ("risk_line", "batch_line", "mark_line"):
            monkeypatch.setattr(load_line, part, lambda _node: None)
        self.told = told
        self.clock = HandClock()
        self.price = SimpleNamespace(included_ppm=1_000_000, line=lambda: None)
        self.settlement = SimpleNamespace(
            chain_away=False, held_back="", hold_up=None,
            pressure=Pressure(0, 0, 0), pace=SimpleNamespace(block_ms=2_000, block_gas=30_000_000),
        )  # fmt: skip
        node: Any = SimpleNamespace(
            config=SimpleNamespace(
                sequencer=SimpleNamespace(signature_workers=0),
                settlement=SimpleNamespace(in_flight_max=4),
                batcher=SimpleNamespace(
                    commands_max=5_000, data_bytes_max=100_000, gas_max=8_000_000
                ),
            ),
            base=SimpleNamespace(clock=self.clock, rules=rules),
            capacity=Capacity(started_ns=0),
            sequencer=SimpleNamespace(block_work=100, gate=None),
            ingress=SimpleNamespace(stage=SimpleNamespace(refused={})),
            knee=SimpleNamespace(read=Knee),
            meters=SimpleNamespace(kinds=KindMeter(self.clock.now_ns)),
            price=self.price,
            settlement=self.settlement,
        )
        self.waiting = 0
        node.batcher = SimpleNamespace(held_bytes=777)
        node.outbox = [SimpleNamespace(data=bytes(20)), SimpleNamespace(data=bytes(22))]
        for name, held in (
            ("verification", 0),
            ("journal", 1),
            ("batcher", 3),
            ("batch_outbox", 2),
        ):
            node.capacity.stage(name, None, lambda held=held: held)
        # What it did before says that it takes a hundred batches a second by itself.
        settled = node.capacity.stage("settlement", 4_096, lambda: self.waiting)
        settled.enter(10)
        settled.busy(0, 10**8, 10)
        settled.leave(10)
        self.watch = LoadWatch(node, self)  # type: ignore[arg-type]

    def read(self) -> Telemetry:
        return msgspec.structs.replace(self.told, at_ns=self.clock.ns)

    def hold_up(self, cause: HoldUp, *, away: bool = False, held_back: str = "") -> None:
        """Let nine batches wait for ``cause``."""
        self.waiting = 9
        self.settlement.pressure = Pressure(9, 41_233, 60_000, 1_661_000)
        self.settlement.hold_up = cause
        self.settlement.chain_away, self.settlement.held_back = away, held_back

    def line(self) -> LoadLine:
        self.clock.ns += FRESH_NS
        return self.watch.line()

    def settled(self) -> StageLine:
        return next(stage for stage in self.line().stages if stage.name == "settlement")

    def limits(self) -> dict[str, float]:
        self.line()
        return {limit.resource: limit.limit_per_s for limit in self.watch.limits}


@pytest.mark.parametrize(
    ("cause", "away", "held_back"),
    [
        (HoldUp.OUTAGE, True, ""),
        (HoldUp.GAS_PRICE, False, "fees"),
        (HoldUp.UNFUNDED, False, "funds"),
        (HoldUp.REORG, False, "inbox"),
    ],
)
@pytest.mark.parametrize("told", [BUSY, EMPTY], ids=["busy", "idle"])
def test_an_l1_that_takes_nothing_carries_nothing(
    monkeypatch: pytest.MonkeyPatch, told: Telemetry, cause: HoldUp, held_back: str, *, away: bool
) -> None:
    port = Port(monkeypatch, told)
    port.hold_up(cause, away=away, held_back=held_back)
    line = port.line()
    assert line.bottleneck is not None
    assert (line.bottleneck.resource, line.bottleneck.limit_per_s) == ("l1", 0.0)
    assert cause.value in line.bottleneck.law
    assert line.headroom == 0.0
    settled = port.settled()
    assert (settled.limit_per_s, settled.headroom, settled.backlog.drain_s) == (0.0, 0.0, None)
    assert not {"l1_in_flight", "l1_bytes", "l1_gas"} & set(port.limits())


@pytest.mark.parametrize("cause", [HoldUp.IN_FLIGHT, HoldUp.BYTES, HoldUp.REORG])
def test_batches_that_are_on_their_way_are_no_hold_up(
    monkeypatch: pytest.MonkeyPatch, cause: HoldUp
) -> None:
    port = Port(monkeypatch)
    before = port.limits()
    port.hold_up(cause)
    assert port.limits() == before
    assert "l1" not in before
    assert min(before.values()) > 0


def test_what_l1_could_carry_counts_by_the_blocks_that_take_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = Port(monkeypatch)
    whole = port.limits()
    port.price.included_ppm = 250_000
    for resource, limit in port.limits().items():
        share = 0.25 if resource.startswith("l1") else 1
        assert limit == pytest.approx(share * whole[resource])


FEE = FeeLine(price=120, floor=100, dearest=None, backlogs={})


@pytest.mark.parametrize(("fees", "told"), [(FREE, None), (FeeRules(), FEE)])
def test_a_node_that_charges_nothing_tells_no_fee(
    monkeypatch: pytest.MonkeyPatch, fees: FeeRules, told: FeeLine | None
) -> None:
    port = Port(monkeypatch, rules=msgspec.structs.replace(RULES, fees=fees))
    port.price.line = lambda: FEE
    assert port.line().fee == told


def test_what_l1_takes_in_flight_follows_the_median_of_the_flights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two of six began before an hour of outage."""
    common = bucket_index(6_000)
    flights = HistogramCounts({common: 4, bucket_index(3_600_000): 2}, 2 * 3_600_000 + 4 * 6_000)
    port = Port(monkeypatch, replace(BUSY, l1=replace(BUSY.l1, inclusion_ms=flights)))
    # 2,000 commands of 50 bytes fill a batch.
    assert port.limits()["l1_in_flight"] == pytest.approx(2_000 * 4 / (bucket_high(common) / 1_000))


def test_what_l1_carries_is_told_in_items_and_not_in_commands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each block of one item brings its opening along, which L1 is told of as well."""
    opened = replace(BUSY, blocks=BlockCounters(count=1_000, commands=2_000, total_ns=0))
    full, alone = Port(monkeypatch).limits(), Port(monkeypatch, opened).limits()
    for resource in ("l1_in_flight", "l1_bytes", "l1_gas"):
        assert alone[resource] == pytest.approx(full[resource] / 2)


def test_what_the_start_tells_of_l1_is_counted_in_the_items_since_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No batch came onto L1 in the window, in which blocks are full: before, they held one item."""
    night = replace(BUSY, blocks=BlockCounters(count=1_000, commands=2_000, total_ns=0))
    port = Port(monkeypatch, night)
    port.told = replace(
        night,
        kinds=(KindCounters("place", 2_000, 2_000, 0, 0, 0),),
        blocks=BlockCounters(count=1_010, commands=3_010, total_ns=0),
    )
    # 50 bytes a command, and 3,010 commands for 2,000 items.
    assert port.limits()["l1_bytes"] == pytest.approx(100_000 * 4 / 2 / (50 * 1.505))


def test_where_everything_was_rejected_nothing_is_told_of_l1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rejected = replace(BUSY, blocks=BlockCounters(count=0, commands=0, total_ns=0))
    assert not [name for name in Port(monkeypatch, rejected).limits() if name.startswith("l1")]


def test_a_backlog_has_bytes_where_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port(monkeypatch)
    port.hold_up(HoldUp.BYTES)
    backlogs = {stage.name: stage.backlog for stage in port.line().stages}
    found = {name: (backlog.items, backlog.bytes) for name, backlog in backlogs.items()}
    assert found == {
        "verification": (0, None),
        "journal": (1, None),
        "batcher": (3, 777),
        "batch_outbox": (2, 42),
        "settlement": (9, 41_233),
    }


def busy_with(
    told: Telemetry, items: int, busy_s: float, processes_s: dict[str, float]
) -> Telemetry:
    """Return counters after so many items more, which took so long of loop and processes."""
    kinds = sum(kind.commands for kind in told.kinds) + items
    busy_ns = told.loop.busy_ns + round(busy_s * 1e9)
    spent = {name: round(spent_s * 1e9) for name, spent_s in processes_s.items()}
    return replace(
        told,
        kinds=(KindCounters("place", kinds, kinds, 0, 0, 0),),
        loop=replace(told.loop, busy_ns=busy_ns),
        processes={name: told.processes.get(name, 0) + ns for name, ns in spent.items()},
    )


def test_each_resource_is_told_by_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port(monkeypatch, EMPTY)
    port.told = busy_with(EMPTY, 1_000, 1.0, {"node": 1.5, "replica": 0.5})
    limits = port.limits()
    assert limits["loop"] == pytest.approx(1_000)
    assert limits["machine"] == pytest.approx(2 / 0.002)
    assert limits["replica"] == pytest.approx(2_000)


def test_without_workers_verification_is_a_part_of_the_loops_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = Port(monkeypatch, EMPTY)
    verification = port.watch._node.capacity.stages[0]
    verification.enter(500)
    verification.busy(0, 10**8, 500)
    verification.leave(500)
    port.told = busy_with(EMPTY, 1_000, 0.2, {"node": 0.2})
    line = port.line()
    limits = {limit.resource: limit.limit_per_s for limit in port.watch.limits}
    assert "verification" not in limits
    told = next(stage for stage in line.stages if stage.name == "verification")
    # Half of the items came by it.
    assert told.limit_per_s == pytest.approx(limits["loop"] / 2)


def test_what_the_node_does_for_nobody_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # It had been busy before it was first looked at.
    before = busy_with(EMPTY, 0, 3.0, {"node": 3.0})
    port = Port(monkeypatch, before)
    port.clock.ns += SPAN_NS
    port.told = busy_with(before, 0, 1.0, {"node": 1.5})
    port.watch.move()
    # A window with little in it is not quiet.
    port.clock.ns += SPAN_NS
    port.told = busy_with(port.told, 50, 1.5, {"node": 2.0})
    port.watch.move()
    port.clock.ns += 10**9 - FRESH_NS
    port.told = busy_with(port.told, 950, 1.1, {"node": 2.15})
    limits = port.limits()
    # Of 11 s a tenth and 0.15 were spent anyway, and 1,000 items took the rest.
    assert limits["loop"] == pytest.approx((1 - 0.1) / 0.0015)
    assert limits["machine"] == pytest.approx((2 - 0.15) / 0.0025)


def test_a_window_with_few_items_tells_their_rate_and_the_start_tells_their_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = busy_with(EMPTY, 1_000, 1.0, {"node": 1.0})
    port = Port(monkeypatch, before)
    port.told = busy_with(before, 50, 0.05, {"node": 0.05})
    line = port.line()
    assert line.rate_per_s == pytest.approx(50 / (FRESH_NS / 1e9))
    assert line.uptime_s == 5.0
    assert {limit.resource: limit.limit_per_s for limit in port.watch.limits}[
        "loop"
    ] == pytest.approx(1_000)


def test_a_line_is_told_again_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port(monkeypatch)
    line = port.line()
    port.clock.ns += FRESH_NS - 1
    assert port.watch.line() is line
    port.clock.ns += 1
    assert port.watch.line() is not line


def test_a_stage_that_lost_something_stands_in_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port(monkeypatch)
    for stage in port.watch._node.capacity.stages:
        stage.enter(stage.held())
    assert port.line().conserved
    port.waiting = 1
    assert not port.line().conserved


def test_what_a_lane_waits_is_told_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port(monkeypatch)
    lane = port.watch._node.capacity.stage("lane_taking", 10, lambda: 0)
    lane.waited(3_000_000)
    assert [each.waited_p99_ms for each in port.line().lanes] == [pytest.approx(3, rel=1 / 32)]
