"""The pipeline of a scenario: what it says itself, and what a calibration says in its stead."""

import math

import msgspec
import pytest

from node.capacity.telemetry import WriterLimits
from node.planner.calibration import Calibration, Source
from node.planner.conclude import phase_law
from node.planner.model import mean_bytes, pipeline_of, settlement_of, with_laws
from node.planner.pipeline import Estimated, Gamma, Kind
from node.planner.predict import FlowShape, Surroundings, filled_at_knee, predict_knee
from node.planner.regression import LinearLaw
from node.planner.scenario import (
    CORES,
    LANES,
    Batches,
    FlowKind,
    L1Phase,
    Oracle,
    Scenario,
    Service,
)
from node.planner.service_law import TRANSITION, ServiceLaw
from node.planner.shared_cores import SharedCores
from node.planner.tides import LIQUIDATE
from tests.unit.planner.test_predict import KnownNode

PLACED = FlowKind("order", "taking", 1.0, law="place")
CALIBRATED = Scenario(
    name="one", about="calibrated", service=Service(calibration="node.json"), kinds=(PLACED,)
)


def law(stage: str, kind: str, runs_on: str, mean_s: float) -> ServiceLaw:
    return ServiceLaw(
        stage=stage,
        kind=kind,
        runs_on=runs_on,
        servers=1,
        mean_s=mean_s,
        square_s2=2 * mean_s**2,
        mean_error_s=0.0,
        window_s=0.0,
        n=100,
        replicates_s=(0.9 * mean_s, 1.1 * mean_s),
    )


def line(**terms: float) -> LinearLaw:
    coefficients = tuple(terms.values())
    return LinearLaw(tuple(terms), coefficients, (coefficients, coefficients), residual=0.0)


CALIBRATION = Calibration(
    source=Source(what="telemetry"),
    services=(
        law(TRANSITION, "place", "loop", 20e-6),
        law("admission", "", "pool", 70e-6),
        law("parsing", "", "pool", 10e-6),
    ),
    loop=line(message=15e-6, item=5e-6),
    blocks=line(block=64e-6, command=2e-6),
    journal=line(block=300e-6, command=4e-6),
)


def action_of(scenario: Scenario) -> Kind:
    """Return the client's kind with its time on the loop as it is without what it shares."""
    pipeline = pipeline_of(scenario, CALIBRATION)
    kind, shared = pipeline.kinds[-1], pipeline.shared
    assert shared is not None
    loop = kind.loop.stretched(1 / shared.stretch(math.inf))
    return msgspec.structs.replace(kind, loop=loop)


def test_a_calibrated_action_costs_its_command_its_message_and_its_share_of_a_block() -> None:
    kind = action_of(CALIBRATED)
    filled = filled_at_knee(CALIBRATION, FlowShape({"place": 1.0}, 1.0), Surroundings())
    mean_us = 20 + 15 + 5 + 64 / filled + 2
    assert filled > 10
    assert isinstance(kind.loop, Estimated)
    assert kind.loop.mean_s == pytest.approx(mean_us * 1e-6)
    # The transition's spread, 20 µs, is all that is known of it.
    assert kind.loop.variation == pytest.approx(20 / mean_us)
    # Ten percent of the command's own time is what the replicates differ by.
    scales = [kind.loop.scale(0), kind.loop.scale(1)]
    assert scales == pytest.approx([1 - 2 / mean_us, 1 + 2 / mean_us])
    assert kind.verify == law("admission", "", "pool", 70e-6).gamma


def test_more_items_under_one_signature_cost_more() -> None:
    bulk = msgspec.structs.replace(CALIBRATED, kinds=(msgspec.structs.replace(PLACED, items=20),))
    filled = filled_at_knee(CALIBRATION, FlowShape({"place": 1.0}, 20.0), Surroundings())
    mean_s = action_of(bulk).loop.moments.mean_s
    assert mean_s == pytest.approx((20 + 15 + 100 + 64 / filled + 2) * 1e-6)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_what_is_planned_with_a_calibration_is_what_it_predicts(cores: int) -> None:
    node = KnownNode(verify_us=90.0, replica_us=60.0, action_us=180.0).calibrated()
    kind = FlowKind("order", "taking", 1.0, law="place")
    service = Service(calibration="node.json", cores=cores, round_us=0.0, scan_us_max=0.0)
    scenario = Scenario(name="a", about="b", service=service, kinds=(kind,))
    limits = pipeline_of(scenario, node).limits_per_s()
    told = predict_knee(node, FlowShape({"place": 1.0}, 1.0), Surroundings(cores=cores))
    by_name = {ceiling.resource: ceiling.p50 for ceiling in told.ceilings}
    assert limits["loop"] == pytest.approx(by_name["event_loop"], rel=0.02)
    assert limits["machine"] == pytest.approx(by_name["machine"], rel=0.02)


def test_a_loop_is_full_at_the_limit_that_its_cores_leave_it() -> None:
    for cores in (0, 1, 2, 4):
        plain = Scenario(name="a", about="b", service=Service(cores=cores))
        pipeline = pipeline_of(plain)
        limits = pipeline.limits_per_s()
        each_s = [kind.loop.moments.mean_s for kind in pipeline.kinds]
        own = float(pipeline.arrivals.mean_rates_per_s[0] * each_s[0])
        full_at = (1 - own) / float(sum(pipeline.shares * each_s))
        assert full_at == pytest.approx(min(limits["loop"], limits["machine"]))


def test_a_quiet_loop_waits_less_for_a_core_than_a_full_one() -> None:
    plain = Scenario(name="a", about="b")
    means = [
        pipeline_of(plain, rate_per_s=rate).kinds[-1].loop.moments.mean_s
        for rate in (0.0, 1_000.0, 3_000.0, 1e9)
    ]
    assert means == sorted(means)
    assert means[-1] == pipeline_of(plain).kinds[-1].loop.moments.mean_s
    assert 1.1 < means[-1] / means[0] < 1.6


def test_the_journal_is_calibrated_too() -> None:
    journal = pipeline_of(CALIBRATED, CALIBRATION).journal
    assert [journal.commit_s, journal.record_s] == pytest.approx([300e-6, 4e-6])


def test_what_the_scenario_says_of_the_journal_goes_first() -> None:
    service = Service(calibration="node.json", commit_us=70.0)
    told = msgspec.structs.replace(CALIBRATED, service=service)
    journal = pipeline_of(told, CALIBRATION).journal
    assert [journal.commit_s, journal.record_s] == pytest.approx([70e-6, 4e-6])


def test_what_a_kind_says_itself_goes_first() -> None:
    told = msgspec.structs.replace(PLACED, loop_us=33.0, verify_us=44.0, variation=0.0)
    kind = action_of(msgspec.structs.replace(CALIBRATED, kinds=(told,)))
    assert isinstance(kind.loop, Gamma)
    assert kind.loop.mean_s == pytest.approx(33e-6)
    assert kind.loop.variation == 0
    assert kind.verify.moments.mean_s == pytest.approx(44e-6)


def test_a_time_that_nobody_tells_is_missed() -> None:
    with pytest.raises(ValueError):
        pipeline_of(CALIBRATED)
    with pytest.raises(ValueError):
        pipeline_of(CALIBRATED, Calibration(source=Source(what="tape")))


def test_what_is_written_in_of_a_whole_node_plans_the_same() -> None:
    limits = WriterLimits(block_work=10, delay_target_us=2_000)
    node = KnownNode(verify_us=90.0, replica_us=60.0, action_us=180.0, limits=limits).calibrated()
    stage = law("admission", "", "pool", 50e-6)
    whole = msgspec.structs.replace(node, services=(*node.services, stage))
    told = with_laws(CALIBRATED, whole)
    limits_per_s = pipeline_of(CALIBRATED, whole).limits_per_s()
    assert pipeline_of(told).limits_per_s() == pytest.approx(limits_per_s)
    # The workers' processor time, and not how long a message stays with them.
    assert limits_per_s["workers"] == pytest.approx(1e6 / 90, rel=0.02)
    assert told.service.records_max == 10
    patient = msgspec.structs.replace(CALIBRATED.service, patience_ms=20.0, records_max=512)
    at_ease = pipeline_of(msgspec.structs.replace(CALIBRATED, service=patient), whole)
    assert at_ease.limits_per_s()["loop"] > 1.05 * limits_per_s["loop"]


def test_a_calibration_that_knows_no_cores_has_as_many_as_are_usual() -> None:
    unknown = msgspec.structs.replace(CALIBRATION, source=Source(what="telemetry", cores=0))
    known = msgspec.structs.replace(CALIBRATION, source=Source(what="telemetry", cores=CORES))
    limits = [pipeline_of(CALIBRATED, one).limits_per_s()["loop"] for one in (unknown, known)]
    assert limits[0] == limits[1]


def test_times_grow_by_waits_alone_until_all_cores_are_taken() -> None:
    """Two milliseconds of workers beside a loop of a tenth of that: the machine is full first."""
    shared = SharedCores(2, own=0.0, idle=0.0, each_s=2e-4, others=0.0, others_each_s=2e-3)
    assert shared.machine_per_s < shared.loop_per_s
    limit = shared.loop_per_s
    assert shared.stretch(0.0) == pytest.approx(1 / (shared.slower(limit) * limit * 2e-4))
    assert 1 <= shared.stretch(0.0) < 1.1
    full = 1 / (shared.machine_per_s * shared.each_s)
    assert shared.stretch(shared.machine_per_s) == pytest.approx(full)
    busy = SharedCores(2, own=1.6, idle=0.0, each_s=2e-4, others=0.0, others_each_s=1e-4)
    assert busy.stretch(0.0) == 1.0


def test_a_calibration_can_be_written_into_the_scenario() -> None:
    resolved = with_laws(CALIBRATED, CALIBRATION)
    assert resolved.service.calibration == ""
    limits = pipeline_of(CALIBRATED, CALIBRATION).limits_per_s()
    assert pipeline_of(resolved).limits_per_s() == pytest.approx(limits)


def test_a_batch_is_bound_by_bytes_commands_or_gas() -> None:
    plain = Scenario(name="a", about="b")
    each = mean_bytes(plain)
    assert each == pytest.approx(0.35 * 62 + 0.65 * 66)
    by_bytes = settlement_of(plain).batch
    assert by_bytes.items * each == pytest.approx(100_000)
    assert by_bytes.gas == pytest.approx(160_000 + 4_000_000)
    few = msgspec.structs.replace(plain, batches=Batches(commands_max=10))
    assert settlement_of(few).batch.items == 10
    dear = msgspec.structs.replace(plain, batches=Batches(gas_max=1_160_000))
    assert settlement_of(dear).batch.bytes == pytest.approx(25_000)


def test_liquidations_have_their_lane_to_themselves() -> None:
    pipeline = pipeline_of(Scenario(name="a", about="b"))
    mine = [kind.name for kind in pipeline.kinds if kind.lane == LANES.index("liquidation")]
    assert mine == [LIQUIDATE]
    assert pipeline.shares[:2].tolist() == [0, 0]
    assert pipeline.rate_per_s == pytest.approx(300)


@pytest.mark.parametrize("interval_s", [0.25, 0.01])
def test_a_phase_that_changes_nothing_leaves_the_ceiling(interval_s: float) -> None:
    """The oracle's own rounds are posted in it as well."""
    scenario = msgspec.structs.replace(
        Scenario(name="a", about="b"), oracle=Oracle(interval_s=interval_s)
    )
    pipeline = pipeline_of(scenario)
    told = phase_law(scenario, pipeline, L1Phase(0.0, 10.0))
    assert told.l1_per_s == pytest.approx(pipeline.limits_per_s()["l1"])
