"""The description of a node tells all its faults at once, and its own ceiling."""

import math

import numpy as np
import pytest

from node.planner.hawkes import Hawkes
from node.planner.pipeline import Estimated, Gamma, Journal, Kind, Lane, Pipeline, Settlement
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
                Kind("second", 0, Estimated(0.1, 0.0, ()), Estimated(0.1, 0.0, (0.1, math.inf))),
                Kind("third", 0, Estimated(0.1, 0.0, (0.1, 0.2))),
                Kind("fourth", 0, Estimated(0.1, 0.0, (0.1, 0.1, 0.2))),
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
    assert (service.replicates, service.scale(0)) == (0, 1.0)


def test_an_estimated_service_is_off_by_its_replicates() -> None:
    service = Estimated(2.0, 0.5, (1.8, 2.0, 2.2))
    assert [service.scale(place) for place in range(service.replicates)] == [0.9, 1.0, 1.1]
    assert service.moments == Gamma(2.0, 0.5).moments
    drawn = service.draw(200_000, np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(2.0, rel=0.01)
