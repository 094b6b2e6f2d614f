"""Sizes that excite are told from sizes that do not, and every parameter lies within its error."""

import numpy as np
import pytest

from node.planner.hawkes_likelihood import Events, LogLikelihood
from node.planner.marked_fit import fit_marked, weights_of

BASELINE = np.array([3.0])
BRANCHING = 0.5
DECAY = 10.0
DURATION_S = 300.0
DEVIATION = 0.8
"""Of the logarithm of sizes."""


def drawn(power: float, seed: int) -> tuple[Events, np.ndarray]:
    """Return a marked process drawn cluster by cluster, straight from its definition."""
    random = np.random.default_rng(seed)
    mean_raised = np.exp((power * DEVIATION) ** 2 / 2)
    queue = (random.random(random.poisson(BASELINE[0] * DURATION_S)) * DURATION_S).tolist()
    times, sizes = [], []
    while queue:
        time = queue.pop()
        size = float(np.exp(DEVIATION * random.standard_normal()))
        times.append(time)
        sizes.append(size)
        children = random.poisson(BRANCHING * size**power / mean_raised)
        born = time + random.exponential(1 / DECAY, children)
        queue += born[born < DURATION_S].tolist()
    order = np.argsort(times)
    ones = np.zeros(len(times), dtype=np.int64)
    return Events(np.array(times)[order], ones, 1, DURATION_S), np.array(sizes)[order]


@pytest.mark.parametrize(
    ("records", "least"), [(2, 6), pytest.param(10, 35, marks=pytest.mark.thorough)]
)
def test_the_power_of_sizes_is_found_within_its_error(records: int, least: int) -> None:
    """Four parameters of each record: intervals of 95 % hold the truth in nine of ten."""
    within = []
    for seed in range(records):
        events, sizes = drawn(0.7, seed)
        marked = fit_marked(events, sizes, [4.0])
        fit = marked.hawkes
        assert marked.p_value < 1e-3, seed
        assert marked.power_error is not None
        within.append(abs(marked.power - 0.7) <= 1.96 * marked.power_error)
        within.append(abs(fit.baseline_per_s[0] - BASELINE[0]) <= 1.96 * fit.baseline_error[0])
        branching, error = fit.branching[0, 0, 0], fit.branching_error[0, 0, 0]
        within.append(abs(branching - BRANCHING) <= 1.96 * error)
        within.append(abs(fit.decays_per_s[0] - DECAY) <= 1.96 * fit.decays_error[0])
        # The right marks also pass the residual test.
        assert min(fit.residuals.p_value) > 1e-3, seed
    print(f"{sum(within)} of {len(within)} within")
    assert len(within) == 4 * records
    assert sum(within) >= least


def test_sizes_that_say_nothing_have_no_power() -> None:
    events, sizes = drawn(0.0, 0)
    marked = fit_marked(events, sizes, [4.0])
    assert marked.power_error is not None
    assert abs(marked.power) < 3 * marked.power_error
    assert marked.p_value > 1e-3
    assert marked.gain >= -1e-3


def test_weights_are_one_on_average_for_each_kind() -> None:
    sizes, kinds = np.array([1.0, 4.0, 2.0, 2.0]), np.array([0, 0, 1, 1])
    assert weights_of(sizes, kinds, 0.5) == pytest.approx([2 / 3, 4 / 3, 1, 1])
    assert weights_of(sizes, kinds, 0.0) == pytest.approx(np.ones(4))


def test_a_weighted_event_counts_as_often_as_it_weighs() -> None:
    """Compared with log L by its definition, over all pairs."""
    events, sizes = drawn(0.7, 3)
    few = 60
    weights = weights_of(sizes[:few], events.kinds[:few], 0.7)
    end = float(events.times_s[few])
    some = Events(events.times_s[:few], events.kinds[:few], 1, end, weights)
    expected = -float(BASELINE[0]) * end
    for k, time in enumerate(some.times_s):
        past = weights[:k] * np.exp(-DECAY * (time - some.times_s[:k]))
        expected += np.log(BASELINE[0] + BRANCHING * DECAY * past.sum())
        expected -= BRANCHING * weights[k] * -np.expm1(-DECAY * (end - time))
    found = LogLikelihood(some).value_and_gradient(
        BASELINE, np.array([[[BRANCHING]]]), np.array([DECAY])
    )
    assert found[0] == pytest.approx(expected)


def test_sizes_are_positive_and_one_for_each_event() -> None:
    events, sizes = drawn(0.0, 5)
    with pytest.raises(ValueError):
        fit_marked(events, sizes[1:], [4.0])
    with pytest.raises(ValueError):
        fit_marked(events, sizes * 0, [4.0])
    with pytest.raises(ValueError):
        Events(events.times_s, events.kinds, 1, DURATION_S, -sizes)
