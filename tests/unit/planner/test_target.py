"""The way to a rate: which bottleneck first, by how much, and whether it is enough."""

import math

import msgspec
import pytest

from node.app.config import BLOCK_WORK_MAX
from node.codec.block_bytes import block_work_max
from node.planner.model import pipeline_of
from node.planner.scenario import Flow, FlowKind, Scenario, Service
from node.planner.target import way_to
from node.types.rules import Limits

CALM = Scenario(name="calm", about="an ordinary hour", flow=Flow(branching=(), decays_per_s=()))


def with_key(scenario: Scenario, key: str, value: float) -> Scenario:
    section, name = key.split(".")
    changed = msgspec.structs.replace(getattr(scenario, section), **{name: value})
    return msgspec.structs.replace(scenario, **{section: changed})


def test_what_is_carried_needs_no_change() -> None:
    way, after = way_to(CALM, 500.0)
    assert way.changes == []
    assert after == CALM
    assert way.reached_per_s == way.carried_per_s == pipeline_of(CALM).limit().per_s


@pytest.mark.parametrize("target_per_s", [1_000.0, 5_000.0, 17_000.0, 40_000.0])
def test_the_changes_together_are_enough(target_per_s: float) -> None:
    way, after = way_to(CALM, target_per_s)
    assert way.stuck == ""
    assert pipeline_of(after).limit().per_s >= target_per_s * (1 - 1e-9)
    # Each binds when its turn comes, so what is carried only grows.
    carried = [change.limit_per_s for change in way.changes]
    assert carried == sorted(carried)
    assert all(change.factor > 1 for change in way.changes)


def test_gas_that_costs_more_than_is_paid_is_paid_for_first() -> None:
    dear = with_key(CALM, "l1.gas_price_gwei", 300.0)
    way, after = way_to(dear, 500.0)
    assert way.carried_per_s == 0
    assert [(change.key, change.needed) for change in way.changes] == [("l1.fee_cap_gwei", 300.0)]
    assert after.l1.fee_cap_gwei == 300


def test_no_more_work_is_cut_than_with_any_number_of_cores() -> None:
    """At the target the others want more cores than now: with too few, too much would be asked."""
    way, after = way_to(CALM, 40_000.0)
    cut = next(change for change in way.changes if change.key == "kinds[].loop_us")
    roomy = with_key(CALM, "service.cores", 1_024)
    least = next(change for change in way_to(roomy, 40_000.0)[0].changes if change.key == cut.key)
    assert least.factor <= cut.factor < 1.05 * least.factor
    assert (after.service.cores or 0) < 32


def test_each_bottleneck_is_named_with_its_key() -> None:
    way, _ = way_to(CALM, 40_000.0)
    assert [change.key for change in way.changes][-3:] == [
        "service.cores",
        "kinds[].loop_us",
        "service.workers",
    ]
    keys = {change.resource: change.node_key for change in way.changes}
    assert keys["workers"] == "sequencer.signature_workers"
    assert keys["l1"] == "settlement.in_flight_max"


def test_workers_are_counted_by_hand() -> None:
    """110 µs a signature: 9,091/s each, so 30,000/s take four."""
    way, _ = way_to(CALM, 30_000.0)
    change = next(change for change in way.changes if change.resource == "workers")
    assert (change.now, change.needed) == (1, 4)
    verify_s = sum(kind.share * (kind.verify_us or 0) for kind in CALM.kinds) / 1e6
    assert change.factor == pytest.approx(30_000 * verify_s)


def test_a_loop_that_waits_for_cores_gets_more_before_it_must_do_less() -> None:
    chain = msgspec.structs.replace(CALM.l1, block_gas=1e12, in_flight_max=1_000)
    roomy = msgspec.structs.replace(CALM, l1=chain)
    way, _ = way_to(roomy, 4_200.0)
    assert [change.key for change in way.changes] == ["service.cores"]
    needed = int(way.changes[0].needed)
    by_cores = [
        pipeline_of(with_key(roomy, "service.cores", cores)).limit().per_s
        for cores in (2, needed - 1, needed)
    ]
    assert by_cores[0] == way.carried_per_s
    assert by_cores[1] < 4_200 <= by_cores[2]
    further, after = way_to(roomy, 8_000.0)
    assert [change.key for change in further.changes] == ["service.cores", "kinds[].loop_us"]
    each_us = sum(kind.share * (kind.loop_us or 0) for kind in after.kinds)
    assert each_us == pytest.approx(further.changes[1].needed)


@pytest.mark.parametrize(
    ("cores", "items", "loop_us"), [(1, 1, 210.0), (1, 20, 1_240.0), (2, 20, 1_240.0)]
)
def test_no_work_is_cut_while_more_cores_would_help(cores: int, items: int, loop_us: float) -> None:
    kind = FlowKind("order", "taking", 1.0, loop_us, 0.5, 110.0, 66.0, items=items)
    chain = msgspec.structs.replace(CALM.l1, block_gas=1e12, in_flight_max=1_000)
    service = msgspec.structs.replace(CALM.service, cores=cores, workers=64)
    roomy = msgspec.structs.replace(CALM, l1=chain, service=service, kinds=(kind,))
    target_per_s = 2 * pipeline_of(roomy).limit().per_s
    way, after = way_to(roomy, target_per_s)
    assert way.stuck == ""
    keys = [change.key for change in way.changes]
    assert keys[0] == "service.cores"
    many = with_key(roomy, "service.cores", 64)
    enough = int(way.changes[0].needed)
    gained = pipeline_of(with_key(roomy, "service.cores", enough)).limit().per_s
    assert gained >= min(target_per_s, 0.97 * pipeline_of(many).limit().per_s)
    assert pipeline_of(after).limit().per_s >= target_per_s * (1 - 1e-9)


def test_slots_are_counted_by_littles_law() -> None:
    chain = msgspec.structs.replace(CALM.l1, in_flight_max=1)
    way, _ = way_to(msgspec.structs.replace(CALM, l1=chain), 500.0)
    assert [change.key for change in way.changes] == ["l1.in_flight_max"]
    batch, confirmed_s = 100_000 / 64.6, 12 / 0.95
    assert way.changes[0].needed == math.ceil(504 * confirmed_s / batch)


def test_a_slow_disk_takes_larger_blocks() -> None:
    slow = Service(commit_us=100_000.0, record_us=1.0, records_max=8)
    way, after = way_to(msgspec.structs.replace(CALM, service=slow), 800.0)
    assert [change.key for change in way.changes] == ["service.records_max"]
    needed = way.changes[0].needed
    assert needed / (0.1 + needed * 1e-6) >= 804
    assert (needed - 1) / (0.1 + (needed - 1) * 1e-6) < 804
    assert after.service.records_max == needed


def test_no_block_is_advised_that_the_configuration_refuses() -> None:
    slow = Service(commit_us=30_000.0, record_us=1.0, records_max=8)
    roomy = msgspec.structs.replace(CALM, service=slow)
    way, after = way_to(roomy, 40_000.0)
    assert "journal" in way.stuck
    assert after.service.records_max == 8
    assert block_work_max(Limits().items_per_action) == BLOCK_WORK_MAX


def test_what_no_change_helps_is_said() -> None:
    worn = Service(record_us=10_000.0)
    way, _ = way_to(msgspec.structs.replace(CALM, service=worn), 500.0)
    assert "journal" in way.stuck
    busy = with_key(with_key(CALM, "service.round_us", 1e6), "oracle.interval_s", 0.1)
    stuck, _ = way_to(busy, 500.0)
    assert stuck.carried_per_s == 0
    assert "loop" in stuck.stuck
