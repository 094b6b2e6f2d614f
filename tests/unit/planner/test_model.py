"""The pipeline of a scenario: what it says itself, and what a calibration says in its stead."""

import msgspec
import pytest

from node.planner.calibration import Calibration, Source
from node.planner.model import COMMANDS_PER_BLOCK, mean_bytes, pipeline_of, settlement_of, with_laws
from node.planner.pipeline import Estimated, Gamma
from node.planner.regression import LinearLaw
from node.planner.scenario import LANES, Batches, FlowKind, Scenario, Service
from node.planner.service_law import TRANSITION, ServiceLaw
from node.planner.tides import LIQUIDATE

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


def test_a_calibrated_action_costs_its_command_its_message_and_its_share_of_a_block() -> None:
    kind = pipeline_of(CALIBRATED, CALIBRATION).kinds[-1]
    assert isinstance(kind.loop, Estimated)
    assert COMMANDS_PER_BLOCK == 64
    assert kind.loop.mean_s == pytest.approx((20 + 15 + 5 + 1 + 2) * 1e-6)
    # The transition's spread, 20 µs, is all that is known of it.
    assert kind.loop.variation == pytest.approx(20 / 43)
    # Ten percent of the command's own time is what the replicates differ by.
    assert [kind.loop.scale(0), kind.loop.scale(1)] == pytest.approx([41 / 43, 45 / 43])
    assert kind.verify == law("admission", "", "pool", 70e-6).gamma


def test_more_items_under_one_signature_cost_more() -> None:
    bulk = msgspec.structs.replace(CALIBRATED, kinds=(msgspec.structs.replace(PLACED, items=20),))
    mean_s = pipeline_of(bulk, CALIBRATION).kinds[-1].loop.moments.mean_s
    assert mean_s == pytest.approx((20 + 15 + 100 + 1 + 2) * 1e-6)


def test_the_journal_is_calibrated_too() -> None:
    journal = pipeline_of(CALIBRATED, CALIBRATION).journal
    assert [journal.commit_s, journal.record_s] == pytest.approx([300e-6, 4e-6])


def test_what_a_kind_says_itself_goes_first() -> None:
    told = msgspec.structs.replace(PLACED, loop_us=33.0, verify_us=44.0, variation=0.0)
    kind = pipeline_of(msgspec.structs.replace(CALIBRATED, kinds=(told,)), CALIBRATION).kinds[-1]
    assert isinstance(kind.loop, Gamma)
    assert kind.loop.mean_s == pytest.approx(33e-6)
    assert kind.loop.variation == 0
    assert kind.verify.moments.mean_s == pytest.approx(44e-6)


def test_a_time_that_nobody_tells_is_missed() -> None:
    with pytest.raises(ValueError):
        pipeline_of(CALIBRATED)
    with pytest.raises(ValueError):
        pipeline_of(CALIBRATED, Calibration(source=Source(what="tape")))


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
