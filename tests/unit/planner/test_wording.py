"""How figures are told."""

import math

import pytest

from node.planner.wording import seconds


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (999.6, "1,000 s"),
        (0.9996, "1 s"),
        (0.9996e-3, "1 ms"),
        (0.0123, "12.3 ms"),
        (1_234.4, "1,234 s"),
        (math.inf, "not within"),
        (None, "–"),
    ],
)
def test_a_time_is_told_in_the_unit_that_suits_it(value: float | None, told: str) -> None:
    assert seconds(value) == told
