"""What the loop can have of a core: one less its wait, slowly, and never less than a half."""

import pytest

from node.capacity.core_share import LEAST, CoreShare

STEP_NS = 50_000_000
SECOND_NS = 10**9


def after(waits: float, seconds: float) -> CoreShare:
    """Return a share that has seen so long of a loop which waits so much of each second."""
    share = CoreShare()
    for step in range(1, int(seconds * SECOND_NS / STEP_NS) + 1):
        share.observe(int(waits * step * STEP_NS), step * STEP_NS)
    return share


@pytest.mark.parametrize("waits", [0.0, 0.02, 0.25, 0.45])
def test_it_is_what_the_loop_did_not_wait(waits: float) -> None:
    assert after(waits, 120).ppm == pytest.approx((1 - waits) * 1e6, rel=1e-3)


@pytest.mark.parametrize("waits", [0.6, 0.9, 1.0])
def test_neighbours_take_no_more_than_half_of_it(waits: float) -> None:
    assert after(waits, 600).ppm == LEAST


def test_a_moment_without_a_core_hardly_moves_it() -> None:
    assert after(1.0, 0.5).ppm > 960_000


def test_one_long_look_counts_for_all_of_its_time() -> None:
    share = CoreShare()
    share.observe(90 * SECOND_NS, 300 * SECOND_NS)
    assert share.ppm == pytest.approx(1e6 * (1 - 0.3 * 300 / 315), rel=1e-3)


def test_two_looks_at_one_moment_are_one() -> None:
    share = CoreShare()
    share.observe(SECOND_NS, 10 * SECOND_NS)
    before = share.ppm
    share.observe(SECOND_NS + 5, 10 * SECOND_NS)
    assert share.ppm == before


def test_a_core_that_is_free_again_is_all_of_it_again() -> None:
    share = after(0.5, 120)
    share.observe(60 * SECOND_NS, 720 * SECOND_NS)
    share.observe(60 * SECOND_NS, 1_320 * SECOND_NS)
    assert share.ppm == pytest.approx(1e6, rel=1e-3)
