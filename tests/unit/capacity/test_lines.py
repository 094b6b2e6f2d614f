"""The laws of the load line, against sums done by hand."""

import msgspec
import pytest

from node.capacity.lines import (
    Chain,
    Work,
    chain_limits,
    drain_s,
    headroom,
    held_up_limit,
    journal_limit,
    loop_limit,
    machine_limit,
    process_limit,
    ranked,
    stage_limit,
    stage_line,
)
from node.capacity.loadline import Backlog, Limit
from node.capacity.report import StageReport, lifetime_report
from node.capacity.stage import Stage
from node.types.hold_up import HoldUp

SECOND = 1_000_000_000

CHAIN = Chain(
    item_bytes=50.0,
    item_gas=2_000.0,
    in_flight=4,
    inclusion_s=20.0,
    block_s=12.0,
    block_gas=30_000_000,
    batch_items=5_000,
    batch_bytes=100_000,
    batch_gas=8_000_000,
    included=1.0,
)


def work(**figures: float) -> Work:
    known = {"elapsed_s": 10.0, "items": 1_000, "loop_busy_s": 4.0, "machine_busy_s": 10.0}
    return Work(**{**known, "cores": 2, **figures})  # type: ignore[arg-type]


def report(items: int, spent_ns: int, *, servers: int = 1, held: int = 0) -> StageReport:
    stage = Stage("station", capacity=100, held=lambda: held, servers=servers)
    stage.enter(items + held)
    stage.busy(0, spent_ns, items)
    stage.leave(items)
    return lifetime_report(stage.snapshot(), 10 * SECOND)


def test_stages_of_one_loop_add_their_costs() -> None:
    # 4 s for 1,000 items are 4 ms each; the loop has one second a second.
    limit = loop_limit(work())
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(250)
    # Half a second of the 4 would have been spent anyway.
    quiet = loop_limit(work(loop_idle=0.05))
    assert quiet is not None
    assert quiet.limit_per_s == pytest.approx(0.95 / 3.5e-3)


def test_a_loop_that_waits_for_a_core_takes_longer_for_the_same_work() -> None:
    # 4 ms of work each, and 1 ms for which the loop was ready and had no core.
    limit = loop_limit(work(loop_waited_s=1.0))
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(200)
    assert limit.law == "(L/(L + W) - U0) / sum(v S) = (0.8 - 0.000) / 4000.0 us"
    # What it does anyway takes as much longer.
    idle = loop_limit(work(loop_idle=0.05, loop_waited_s=1.0))
    assert idle is not None
    assert idle.limit_per_s == pytest.approx((1 - 0.05 * 1.25) / (3.5e-3 * 1.25))
    assert loop_limit(work(loop_idle=0.39, loop_waited_s=7.0)) is None


def test_processes_share_the_cores() -> None:
    limit = machine_limit(work())
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(200)
    assert ranked([loop_limit(work()), limit])[0].resource == "machine"


@pytest.mark.parametrize(
    "figures", [{"items": 0}, {"loop_busy_s": 0.0}, {"loop_idle": 1.0}, {"loop_idle": 0.4}]
)
def test_what_a_window_cannot_tell_is_no_limit(figures: dict[str, float]) -> None:
    assert loop_limit(work(**figures)) is None


def test_a_pool_carries_what_its_workers_do_over_its_visits() -> None:
    # Two workers at 1 ms serve 2,000 a second; every item comes twice.
    limit = stage_limit("pool", report(400, SECOND * 4 // 10, servers=2), 2, 200)
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(1_000)
    # What it refused had its visit as well.
    stage = Stage("pool", capacity=100, held=lambda: 0, servers=2)
    stage.enter(400)
    stage.busy(0, SECOND * 4 // 10, 400)
    stage.leave(300)
    stage.refuse("BadSignature", 100)
    again = stage_limit("pool", lifetime_report(stage.snapshot(), 10 * SECOND), 2, 200)
    assert again is not None
    assert again.limit_per_s == pytest.approx(1_000)
    assert stage_limit("pool", report(0, 0), 1, 200) is None
    assert stage_limit("pool", report(400, SECOND), 1, 0) is None


def test_a_process_is_told_by_its_processor_time() -> None:
    limit = process_limit("replica", work(), 0.5)
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(2_000)
    assert process_limit("replica", work(), 0.0) is None


def test_a_commit_is_shared_by_a_full_block() -> None:
    # A block is built during the commit of the one before: the disk waits for nobody.
    limit = journal_limit(150, 10e-3)
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(15_000)
    assert limit.law == "n / T = 150 / 10000.0 us"
    assert journal_limit(0, 1) is None
    assert journal_limit(150, 0.0) is None


def test_l1_has_three_laws() -> None:
    limits = {limit.resource: limit.limit_per_s for limit in chain_limits(CHAIN)}
    # A batch is full at 100,000 / 50 = 2,000 items; gas would allow 4,000, commands 5,000.
    assert limits["l1_in_flight"] == pytest.approx(2_000 * 4 / 20)
    assert limits["l1_bytes"] == pytest.approx(100_000 * 4 / 12 / 50)
    assert limits["l1_gas"] == pytest.approx(30_000_000 / 12 / 2_000)


@pytest.mark.parametrize(
    ("included", "in_flight", "share"),
    # Two of three blocks: 18 s each way, less than what inclusion was measured to take.
    [(2 / 3, 400, 2 / 3), (0.5, 2_000 * 4 / 24, 0.5), (0.1, 2_000 * 4 / 120, 0.1), (0.0, 0, 0.0)],
)
def test_blocks_that_pass_us_by_are_no_room(
    included: float, in_flight: float, share: float
) -> None:
    told = chain_limits(msgspec.structs.replace(CHAIN, included=included))
    limits = {limit.resource: limit.limit_per_s for limit in told}
    assert limits["l1_in_flight"] == pytest.approx(in_flight)
    assert limits["l1_bytes"] == pytest.approx(share * 100_000 * 4 / 12 / 50)
    assert limits["l1_gas"] == pytest.approx(share * 30_000_000 / 12 / 2_000)


def test_gas_that_nobody_tells_of_is_no_limit() -> None:
    unknown = Chain(**{name: getattr(CHAIN, name) for name in CHAIN.__struct_fields__[:5]},
                    block_gas=0, batch_items=1, batch_bytes=1, batch_gas=1,
                    included=1.0)  # fmt: skip
    assert "l1_gas" not in {limit.resource for limit in chain_limits(unknown)}


@pytest.mark.parametrize(
    ("items", "limit", "arrivals", "seconds"),
    [(0, None, 5, 0.0), (100, 30.0, 20, 10.0), (100, 20.0, 20, None), (100, None, 1, None)],
)
def test_a_backlog_drains_by_what_is_left(
    items: int, limit: float | None, arrivals: float, seconds: float | None
) -> None:
    assert drain_s(items, limit, arrivals) == seconds


def test_headroom_goes_below_zero_past_the_limit() -> None:
    assert headroom(50, 200) == pytest.approx(0.75)
    assert headroom(300, 200) == pytest.approx(-0.5)
    assert headroom(300, None) is None
    assert headroom(300, 0.0) == headroom(0, 0.0) == 0.0


def test_the_least_limit_is_the_bottleneck() -> None:
    slow, fast = Limit("slow", 1.0, ""), Limit("fast", 2.0, "")
    assert ranked([fast, None, slow]) == [slow, fast]


def test_a_stage_takes_its_share_of_what_it_runs_on() -> None:
    # The loop carries 1,000 items a second; each item visits this stage twice (20 of 10 a second).
    loop = Limit("loop", 1_000.0, "")
    line = stage_line(report(200, SECOND), "loop", loop, 10.0, Backlog(0))
    assert line.limit_per_s == pytest.approx(2_000)
    assert line.headroom == pytest.approx(0.99)
    assert line.backlog == Backlog(items=0, drain_s=0.0)
    waiting = Backlog(40, bytes=1_000)
    alone = stage_line(report(200, SECOND, held=40), "process", None, 10.0, waiting)
    assert alone.limit_per_s == pytest.approx(200)
    assert (alone.backlog.items, alone.backlog.bytes) == (40, 1_000)
    assert alone.backlog.drain_s == pytest.approx(40 / (200 - 24))


@pytest.mark.parametrize("items", [0, 200])
def test_a_stage_whose_resource_takes_nothing_has_no_other_limit(items: int) -> None:
    """Also where nothing came in that could tell how often an item visits it."""
    stopped = held_up_limit(HoldUp.OUTAGE)
    line = stage_line(report(items, SECOND, held=40), "l1", stopped, items, Backlog(40))
    assert (line.limit_per_s, line.headroom, line.backlog.drain_s) == (0.0, 0.0, None)
