"""A record drawn from a known law gives the law again; one that cannot be fitted is refused."""

import msgspec
import numpy as np
import pytest

from node.planner.calibration_file import decode_calibration, encode_calibration
from node.planner.flow_fit import FlowRecord, calibrate_flow, size_law
from node.planner.hawkes import Hawkes
from node.types.errors import MeasurementInvalid

PROCESS = Hawkes(np.array([3.0, 2.0]), np.array([[[0.3, 0.1], [0.2, 0.3]]]), np.array([12.0]))
SECONDS = 150.0


def record(seed: int) -> FlowRecord:
    random = np.random.default_rng(seed)
    times, kinds = PROCESS.draw(SECONDS, random)
    sizes = np.exp(1.5 + 0.7 * random.standard_normal(times.size))
    sizes[::50] = 0.0
    return FlowRecord(
        names=("place", "cancel"),
        times_s=np.floor(times * 1e6) / 1e6,
        kinds=kinds,
        sizes=sizes,
        fills=np.zeros(times.size),
        resolution_s=1e-6,
        resting_orders=40.0,
    )


def test_a_known_law_is_found_again() -> None:
    told: list[str] = []
    found = calibrate_flow(record(1), "drawn", (10.0,), told.append)
    assert told == ["time scales", "marks", "the whole record"]
    flow = found.flow
    assert flow is not None
    arrivals, sizes = flow.arrivals, flow.sizes
    assert arrivals is not None
    assert sizes is not None
    assert arrivals.converged
    assert arrivals.radius == pytest.approx(PROCESS.radius, abs=0.1)
    assert arrivals.process.mean_rates_per_s == pytest.approx(PROCESS.mean_rates_per_s, rel=0.15)
    # Sizes were drawn apart from the times.
    assert arrivals.mark_power_error is not None
    assert abs(arrivals.mark_power) < 3 * arrivals.mark_power_error
    assert min(arrivals.p_value) > 1e-3 > max(arrivals.poisson_p_value)
    assert arrivals.aic < arrivals.poisson_aic
    assert sizes.log_mean == pytest.approx(1.5, abs=0.1)
    assert sizes.log_deviation == pytest.approx(0.7, abs=0.07)
    assert sizes.distance < 0.06
    rates = {name: kind.rate_per_s for name, kind in flow.kinds.items()}
    assert flow.cancel_ratio == pytest.approx(rates["cancel"] / rates["place"])
    assert flow.resting_orders == 40.0
    assert decode_calibration(encode_calibration(found)) == found


def test_time_scales_are_found_without_a_guess() -> None:
    arrivals = calibrate_flow(record(2), "drawn").flow
    assert arrivals is not None
    assert arrivals.arrivals is not None
    assert len(arrivals.arrivals.decays_per_s) == 2
    assert arrivals.arrivals.radius == pytest.approx(PROCESS.radius, abs=0.12)


def test_sizes_that_are_no_lognormal_are_far_from_it() -> None:
    round_lots = np.array([100.0] * 90 + [1.0] * 10)
    assert size_law(round_lots).distance > 0.4
    assert size_law(np.full(10, 5.0)).log_deviation == 0


def test_all_faults_of_a_record_are_told_at_once() -> None:
    good = record(3)
    bad = msgspec.structs.replace(
        good,
        names=("place", "cancel", "take"),
        times_s=good.times_s[::-1],
        sizes=-good.sizes,
        fills=good.fills[:-1],
        resolution_s=0.0,
    )
    with pytest.raises(MeasurementInvalid) as raised:
        calibrate_flow(bad, "bad", (-1.0, 0.0))
    assert [fault.partition(":")[0] for fault in raised.value.faults] == [
        "fills",
        "times_s",
        "sizes",
        "resolution_s",
        "kinds.take",
        "decays_per_s",
        "decays_per_s",
    ]


def test_a_record_whose_bursts_never_end_is_refused() -> None:
    # A rate that grows exponentially is a process without a steady state.
    times = np.log1p(np.arange(400.0)) / 0.5
    ones = np.ones(400)
    growing = FlowRecord(("place",), times, np.zeros(400, dtype=np.int64), ones, ones, 1e-9)
    with pytest.raises(MeasurementInvalid) as raised:
        calibrate_flow(growing, "growing", (1.0,))
    (fault,) = raised.value.faults
    assert fault.startswith("arrivals.branching: spectral radius")


def test_an_empty_record_is_refused() -> None:
    none = np.zeros(0)
    empty = FlowRecord(("place",), none, none.astype(np.int64), none, none, 1e-9)
    with pytest.raises(MeasurementInvalid) as raised:
        calibrate_flow(empty, "empty")
    assert [fault.partition(":")[0] for fault in raised.value.faults] == ["events", "kinds.place"]
