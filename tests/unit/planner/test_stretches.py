"""What a run begins with: how far off its measurements are, and what waits already."""

import msgspec
import numpy as np
import pytest

from node.planner.pipeline import Estimated, Pipeline
from node.planner.stretches import scales_of
from tests.unit.planner.node_examples import small_node

OFF = (0.8, 0.9, 1.0, 1.1, 1.2)


def estimated(node: Pipeline) -> Pipeline:
    """Return the node with both kinds timed in the same windows, which were off by as much."""
    kinds = [
        msgspec.structs.replace(
            kind, loop=Estimated(mean_s, 0.5, tuple(off * mean_s for off in OFF))
        )
        for kind in node.kinds
        for mean_s in (kind.loop.moments.mean_s,)
    ]
    return msgspec.structs.replace(node, kinds=tuple(kinds))


def test_a_run_takes_one_replicate_of_all_kinds() -> None:
    """Drawn for each kind on its own, errors would cancel and fall between these five."""
    scales = scales_of(estimated(small_node(100.0)), 400, np.random.default_rng(1))
    assert sorted(set(np.round(scales, 9).tolist())) == pytest.approx(OFF)
    assert scales.std() == pytest.approx(np.std(OFF), rel=0.1)


def test_what_is_known_is_off_by_nothing() -> None:
    random = np.random.default_rng(1)
    assert scales_of(small_node(100.0), 3, random).tolist() == [1.0, 1.0, 1.0]
    # Nothing was drawn for it either.
    assert random.random() == np.random.default_rng(1).random()
