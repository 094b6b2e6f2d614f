"""The description of a node tells all its faults at once, and its own ceiling."""

import math

import numpy as np
import pytest

from node.planner.hawkes import Hawkes
from node.planner.pipeline import Gamma, Journal, Kind, Lane, Measured, Pipeline, Settlement
from tests.unit.planner.node_examples import BATCH, small_node


def test_the_ceiling_is_that_of_the_dearest_resource() -> None:
    # ¼ of 400 µs and ¾ of 200 µs: 250 µs on the loop.
    limit = small_node(1_000.0).limit()
    assert (limit.bottleneck, limit.next_bottleneck) == ("loop", "l1")
    assert limit.per_s == pytest.approx(4_000)
    assert limit.next_per_s == pytest.approx(20_000 * 6 / 12)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        Pipeline(
            kinds=(
                Kind("first", 7, Gamma(-1.0)),
                Kind("second", 0, Measured(()), Measured((0.1, math.inf))),
            ),
            lanes=(Lane("only", 0),),
            workers=0,
            journal=Journal(-1.0, 0.0, 1),
            settlement=Settlement(BATCH, 0, 12.0, inclusion_probability=0.0, finality_blocks=-1),
            arrivals=Hawkes.poisson(np.array([0.0])),
        )
    keys = "first.loop second.loop second.verify first.lane only.limit workers journal settlement: "
    keys += "inclusion_probability finality_blocks arrive"
    assert [key for key in keys.split() if key not in str(caught.value)] == []


@pytest.mark.parametrize("service", [Gamma(2.0, 0.5), Gamma(2.0), Gamma(2.0, 1.0)])
def test_a_parametric_service_has_the_moments_it_says(service: Gamma) -> None:
    drawn = service.draw(200_000, np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(service.moments.mean_s, rel=0.01)
    assert (drawn**2).mean() == pytest.approx(service.moments.square_s2, rel=0.03)
    assert service.resampled_scale(np.random.default_rng(1)) == 1.0


def test_a_measured_service_knows_its_own_uncertainty() -> None:
    sample = np.random.default_rng(2).exponential(1.0, 400)
    service = Measured(tuple(sample.tolist()))
    random = np.random.default_rng(3)
    scales = [service.resampled_scale(random) for _ in range(2_000)]
    expected = sample.std() / sample.mean() / math.sqrt(sample.size)
    assert np.mean(scales) == pytest.approx(1.0, abs=0.01)
    assert np.std(scales) == pytest.approx(expected, rel=0.1)
    assert set(service.draw(100, random).tolist()) <= set(sample.tolist())
