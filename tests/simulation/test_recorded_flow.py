"""Recorded flow excites itself: a Hawkes process fits it far better than a Poisson process.

No model of four to eighteen numbers passes a test on 10⁴ events of a real market; what is asserted
is the distance left, and that it is a fraction of Poisson's. ``pytest -s`` prints the fits.
"""

import numpy as np
import pytest

from node.app.cli.calibrate import record_of
from node.planner.flow_fit import calibrate_flow
from node.planner.hawkes import Hawkes, spectral_radius
from node.planner.hawkes_fit import HawkesFit, fit_hawkes
from node.simulation.tape.flow import read_flow
from tests.simulation.price_paths import recorded_folder
from tests.simulation.recorded_flow import BITSTAMP, LOBSTER, recorded_events


def described(name: str, fit: HawkesFit) -> str:
    folder = name.split("/", maxsplit=1)[0]
    return (
        f"{folder}: {fit.events} events, decays {np.round(fit.decays_per_s, 2)}/s, "
        f"radius {spectral_radius(fit.branching):.3f}, "
        f"AIC {fit.aic:.0f} (Poisson {fit.poisson_aic:.0f}), "
        f"D {np.round(fit.residuals.distance, 3)} (Poisson "
        f"{np.round(fit.poisson_residuals.distance, 3)}), p {fit.residuals.p_value}"
    )


@pytest.mark.parametrize(
    ("name", "duration_s", "decays", "distance_max", "poisson_distance_min"),
    [(LOBSTER, 600.0, (100.0, 10_000.0), 0.12, 0.4), (BITSTAMP, 240.0, (1.0, 1_000.0), 0.15, 0.3)],
)
def test_recorded_flow_is_not_poisson(
    name: str,
    duration_s: float,
    decays: tuple[float, ...],
    distance_max: float,
    poisson_distance_min: float,
) -> None:
    events = recorded_events(name, duration_s)
    if events is None:
        pytest.skip(f"{name} is not there; PLIMSOLL_DATA names the folder of recorded flow")
    fit = fit_hawkes(events, decays)
    print(described(name, fit))
    assert fit.converged
    process = Hawkes(fit.baseline_per_s, fit.branching, fit.decays_per_s)
    assert 0.3 < process.radius < 1
    assert process.mean_rates_per_s == pytest.approx(events.counts / duration_s, rel=0.05)
    # Each event is told better by more than half a unit of log L.
    assert fit.aic < fit.poisson_aic - events.times_s.size
    assert max(fit.residuals.distance) < distance_max
    assert min(fit.poisson_residuals.distance) > poisson_distance_min


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("format_name", "name", "cancel_ratio"),
    [("lobster", LOBSTER, (0.7, 1.0)), ("bitstamp", BITSTAMP, (0.1, 0.5))],
)
def test_a_calibration_of_recorded_flow_is_far_closer_than_poisson(
    format_name: str, name: str, cancel_ratio: tuple[float, float]
) -> None:
    """What the command does, with sizes as marks; takers are few, and their D says little."""
    file = recorded_folder() / name
    if not file.exists():
        pytest.skip(f"{name} is not there; PLIMSOLL_DATA names the folder of recorded flow")
    flow = calibrate_flow(record_of(read_flow(format_name, file, 240.0)), name).flow
    assert flow is not None
    arrivals = flow.arrivals
    assert arrivals is not None
    print(format_name, arrivals)
    assert arrivals.converged
    assert 0.3 < arrivals.radius < 1
    assert arrivals.aic < arrivals.poisson_aic - arrivals.events / 3
    for kind in ("place", "cancel"):
        place = arrivals.kinds.index(kind)
        assert arrivals.distance[place] < arrivals.poisson_distance[place] / 2
    low, high = cancel_ratio
    assert low < flow.cancel_ratio < high
