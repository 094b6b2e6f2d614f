"""The process, its likelihood and its fit, each against a slow or a second way to the same."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from node.planner.hawkes import Hawkes, spectral_radius
from node.planner.hawkes_fit import fit_hawkes
from node.planner.hawkes_likelihood import Events, LogLikelihood, linear_scan, untie
from node.simulation.flow.hawkes import Hawkes as Thinned

BASELINE = np.array([2.0, 1.0])
BRANCHING = np.array([[[0.3, 0.1], [0.2, 0.4]]])
DECAYS = np.array([8.0])
PROCESS = Hawkes(BASELINE, BRANCHING, DECAYS)


def drawn(duration_s: float, seed: int) -> Events:
    times, kinds = PROCESS.draw(duration_s, np.random.default_rng(seed))
    return Events(times, kinds, 2, duration_s)


def naive_log_likelihood(events: Events, process: Hawkes) -> float:
    """Return log L by the definition, over all pairs of events."""
    total = -float(process.baseline_per_s.sum()) * events.duration_s
    for k, (time, kind) in enumerate(zip(events.times_s, events.kinds, strict=True)):
        intensity = process.baseline_per_s[kind]
        for m, decay in enumerate(process.decays_per_s):
            for earlier, parent in zip(events.times_s[:k], events.kinds[:k], strict=True):
                weight = process.branching[m, kind, parent] * decay
                intensity += weight * np.exp(-decay * (time - earlier))
            fallen = -np.expm1(-decay * (events.duration_s - time))
            total -= float(process.branching[m, :, kind].sum()) * fallen
        total += float(np.log(intensity))
    return total


def test_the_likelihood_is_that_of_the_definition() -> None:
    two_scales = Hawkes(BASELINE, np.concatenate([BRANCHING, BRANCHING]) / 2, np.array([0.5, 20.0]))
    events = drawn(40.0, 3)
    fast = LogLikelihood(events).value_and_gradient(
        two_scales.baseline_per_s, two_scales.branching, two_scales.decays_per_s
    )
    assert fast[0] == pytest.approx(naive_log_likelihood(events, two_scales), rel=1e-10)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    likelihood = LogLikelihood(drawn(200.0, 4))
    point = [BASELINE * 1.3, np.stack([BRANCHING[0], BRANCHING[0].T]) * 0.7, np.array([2.0, 30.0])]
    slopes = likelihood.value_and_gradient(*point)[1:]
    for part, slope in enumerate(slopes):
        for index in np.ndindex(point[part].shape):
            step = 1e-6 * point[part][index]
            ahead, behind = [p.copy() for p in point], [p.copy() for p in point]
            ahead[part][index] += step
            behind[part][index] -= step
            rise = (
                likelihood.value_and_gradient(*ahead)[0] - likelihood.value_and_gradient(*behind)[0]
            )
            assert rise / (2 * step) == pytest.approx(slope[index], rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 97, 400])
def test_a_scan_in_chunks_is_the_recurrence(count: int) -> None:
    random = np.random.default_rng(count)
    factors, terms = random.random(count), random.random((count, 3))
    expected = np.zeros((count, 3))
    value = np.zeros(3)
    for k in range(count):
        value = factors[k] * (value + terms[k])
        expected[k] = value
    assert linear_scan(factors, terms) == pytest.approx(expected)


def test_parameters_of_thinned_flow_are_recovered_within_their_errors() -> None:
    """The flow comes from the other implementation, drawn by another method.

    With 7 parameters and 10 records, the 95 % intervals should hold about 66 of 70; fewer than 60
    has a probability below 0.003 if errors were independent, and the seeds are fixed.
    """
    thinned = Thinned(BASELINE, BRANCHING[0], float(DECAYS[0]))
    within = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        flow = list(thinned.draw(250.0, lambda _: 1.0, 1.0, random))
        times, kinds = np.array([t for t, _ in flow]), np.array([k for _, k in flow])
        fit = fit_hawkes(Events(times, kinds, 2, 250.0), [3.0])
        assert fit.converged
        assert fit.aic < fit.poisson_aic
        assert min(fit.residuals.p_value) > 1e-3 > max(fit.poisson_residuals.p_value)
        for found, error, true in (
            (fit.baseline_per_s, fit.baseline_error, BASELINE),
            (fit.branching, fit.branching_error, BRANCHING),
            (fit.decays_per_s, fit.decays_error, DECAYS),
        ):
            within += (np.abs(found - true) <= 1.96 * error).ravel().tolist()
    assert len(within) == 70
    assert sum(within) >= 60


def test_what_does_not_excite_is_fitted_as_poisson() -> None:
    process = Hawkes.poisson(np.array([5.0, 3.0]))
    times, kinds = process.draw(400.0, np.random.default_rng(5))
    fit = fit_hawkes(Events(times, kinds, 2, 400.0), [2.0])
    # Five more parameters may follow chance, but not by more than a few units of log L.
    assert 0 <= fit.log_likelihood - fit.poisson_log_likelihood < 10
    assert spectral_radius(fit.branching) < 0.2
    assert min(fit.poisson_residuals.p_value) > 1e-3


def test_a_fit_is_a_process_again() -> None:
    fit = fit_hawkes(drawn(300.0, 6), [8.0])
    process = Hawkes(fit.baseline_per_s, fit.branching, fit.decays_per_s)
    assert process.radius == pytest.approx(0.5, abs=0.15)


def test_clusters_have_the_long_run_rates() -> None:
    times, kinds = PROCESS.draw(4_000.0, np.random.default_rng(7))
    rates = np.bincount(kinds) / 4_000.0
    # The standard error of a rate is about 1 % here; four of them, and the lost edge.
    assert rates == pytest.approx(PROCESS.mean_rates_per_s, rel=0.045)
    assert (np.diff(times) >= 0).all()
    assert times[-1] < 4_000.0


def test_what_the_past_excites_comes_on_top() -> None:
    silent = Hawkes(np.array([0.0]), np.array([[[0.5]]]), np.array([10.0]))
    random = np.random.default_rng(8)
    counts = [silent.draw(100.0, random, np.array([[50.0]]))[0].size for _ in range(200)]
    # 50 expected children, each the head of a cluster of 1 / (1 − 0.5).
    assert np.mean(counts) == pytest.approx(100.0, rel=0.05)
    assert silent.draw(100.0, random)[0].size == 0


def test_ties_are_spread_within_their_tick_and_keep_their_order() -> None:
    rounded = np.repeat(np.arange(100) / 1_000, 5)
    placed = untie(rounded, 1e-3, np.random.default_rng(9))
    assert (np.diff(placed) > 0).all()
    assert (placed >= rounded - 1e-12).all()
    assert (placed < rounded + 1e-3).all()
    assert (placed == untie(rounded, 1e-3, np.random.default_rng(9))).all()


def test_rounding_does_not_change_a_poisson_record_once_it_is_untied() -> None:
    times, kinds = Hawkes.poisson(np.array([400.0])).draw(20.0, np.random.default_rng(10))
    rounded = np.floor(times * 1_000) / 1_000
    untied = untie(rounded, 1e-3, np.random.default_rng(11))
    fit = fit_hawkes(Events(untied, kinds, 1, 20.0), [100.0])
    assert fit.poisson_residuals.p_value[0] > 0.01
    assert spectral_radius(fit.branching) < 0.1


@pytest.mark.parametrize(
    "fault",
    [
        lambda: Hawkes(BASELINE, BRANCHING[0], DECAYS),
        lambda: Hawkes(-BASELINE, BRANCHING, DECAYS),
        lambda: Hawkes(BASELINE, -BRANCHING, DECAYS),
        lambda: Hawkes(BASELINE, BRANCHING, -DECAYS),
        lambda: Hawkes(BASELINE, BRANCHING * 2, DECAYS),
        lambda: Events(np.array([1.0, 0.5]), np.array([0, 0]), 1, 2.0),
        lambda: Events(np.array([1.0, 3.0]), np.array([0, 0]), 1, 2.0),
        lambda: Events(np.array([1.0, 1.5]), np.array([0, 0]), 2, 2.0),
        lambda: Events(np.array([1.0, np.nan]), np.array([0, 0]), 1, 2.0),
        lambda: Events(np.array([1.0]), np.array([0]), 1, 2.0),
        lambda: fit_hawkes(drawn(10.0, 1), []),
        lambda: fit_hawkes(drawn(10.0, 1), [-1.0]),
        lambda: untie(np.array([1.0, 0.5]), 1e-3, np.random.default_rng(0)),
        lambda: untie(np.array([1.0]), 0.0, np.random.default_rng(0)),
    ],
)
def test_what_no_process_or_record_can_be_is_refused(fault: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        fault()


def test_a_slow_decay_brings_those_who_come_in_time_alone() -> None:
    """Of a million still to come, one in a thousand each second comes within ten: 9,950."""
    process = Hawkes(np.zeros(1), np.array([[[0.0]]]), np.array([0.001]))
    times, _ = process.draw(10.0, np.random.default_rng(2), np.array([[1e6]]))
    assert times.size == pytest.approx(1e6 * (1 - math.exp(-0.01)), abs=400)
    assert times.max() < 10.0
    assert times.mean() == pytest.approx(5.0, abs=0.1)
