"""The closed forms against each other: each general law gives the special ones."""

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist, fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.planner.waiting import (
    Load,
    Moments,
    UnstableLoad,
    carried_utilization,
    erlang_c,
    lost_share,
    lost_share_at_moving_speed,
    priority_mean_waits_s,
)


def exponential(mean_s: float) -> Moments:
    return Moments(mean_s, 2 * mean_s**2)


def constant(mean_s: float) -> Moments:
    return Moments(mean_s, mean_s**2)


def test_exponential_service_waits_twice_as_long_as_constant() -> None:
    # M/M/1 at half load waits as long as a service takes.
    assert priority_mean_waits_s([Load(0.5, exponential(1.0))]) == pytest.approx([1.0])
    assert priority_mean_waits_s([Load(0.5, constant(1.0))]) == pytest.approx([0.5])


def test_two_lanes_by_hand() -> None:
    # R = (0.3·2 + 0.5·2)/2 = 0.8; W1 = 0.8/0.7; W2 = 0.8/(0.7·0.2)
    waits = priority_mean_waits_s([Load(0.3, exponential(1)), Load(0.5, exponential(1))])
    assert waits == pytest.approx([0.8 / 0.7, 0.8 / 0.14])


def test_a_flood_below_leaves_the_lanes_above_their_wait() -> None:
    calm, flood = Load(0.2, constant(1)), Load(50.0, constant(1))
    waits = priority_mean_waits_s([calm, flood])
    # The server never rests, so each urgent arrival finds half a service ahead of it.
    assert waits == pytest.approx([0.5 / 0.8, math.inf])


@given(
    st.lists(
        st.tuples(st.floats(0.001, 10), st.floats(0.01, 1), st.floats(0, 3)),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.05, 0.97),
)
def test_lanes_share_a_fixed_sum_of_waits(
    parts: list[tuple[float, float, float]], utilization: float
) -> None:
    """No order of service without preemption changes Σ ρ_k W_k (Kleinrock 1965)."""
    scale = utilization / sum(rate * mean for rate, mean, _ in parts)
    classes = [Load(rate * scale, Moments(mean, mean**2 * (1 + cv**2))) for rate, mean, cv in parts]
    waits = priority_mean_waits_s(classes)
    residual = sum(load.rate_per_s * load.service.square_s2 for load in classes) / 2
    fixed = utilization * residual / (1 - utilization)
    shared = sum(load.utilization * wait for load, wait in zip(classes, waits, strict=True))
    assert shared == pytest.approx(fixed)
    assert waits == sorted(waits)


def test_erlang_c_is_that_of_the_tables() -> None:
    assert erlang_c(1, 0.8) == pytest.approx(0.8)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.40918, abs=5e-6)
    assert erlang_c(5_000, 4_900.0) == pytest.approx(0.0963, abs=0.02)
    assert erlang_c(3, 0.0) == 0


@pytest.mark.parametrize(
    "unstable",
    [
        lambda: priority_mean_waits_s([Load(1.0, constant(1.0))]),
        lambda: priority_mean_waits_s([Load(2.0, constant(1.0)), Load(0.1, constant(1.0))]),
        lambda: erlang_c(2, 2.0),
    ],
)
def test_an_unstable_load_has_no_wait(unstable: Callable[[], object]) -> None:
    with pytest.raises(UnstableLoad) as caught:
        unstable()
    assert caught.value.utilization >= 1


@pytest.mark.parametrize(
    "fault",
    [
        lambda: Moments(1.0, 0.9),
        lambda: Moments(-1.0, 1.0),
        lambda: Load(-1.0, constant(1.0)),
        lambda: erlang_c(0, 0.0),
    ],
)
def test_what_no_queue_can_have_is_refused(fault: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        fault()


@pytest.mark.parametrize("utilization", [0.9, 0.97, 1.0, 1.02, 1.3])
@pytest.mark.parametrize("service_s", [0.0002, 0.002])
def test_what_may_not_wait_is_lost_as_often_as_in_a_queue(
    utilization: float, service_s: float
) -> None:
    random, patience_s, arrivals = Random(5), 0.02, 200_000
    work_s, lost = 0.0, 0
    for _ in range(arrivals):
        work_s = max(0.0, work_s - random.expovariate(utilization / service_s))
        if work_s > patience_s:
            lost += 1
        else:
            work_s += service_s
    told = lost_share(utilization, service_s, patience_s)
    assert told == pytest.approx(lost / arrivals, rel=0.12, abs=0.002)


def test_more_is_lost_the_more_comes_and_the_less_can_wait() -> None:
    loads = [0.01, 0.5, 0.9, 0.999999, 1.0, 1.000001, 1.1, 2.0, 100.0]
    for service_s in (1e-7, 1e-3, 0.5):
        shares = [lost_share(load, service_s, 0.02) for load in loads]
        assert shares == sorted(shares)
        assert all(share >= 0 for share in shares)
    assert lost_share(0.9, 2e-3, 0.01) > lost_share(0.9, 2e-3, 0.02)
    assert lost_share(2.0, 1e-6, 0.02) == pytest.approx(0.5)
    for wrong in ((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)):
        with pytest.raises(ValueError, match="utilization"):
            lost_share(*wrong)


@pytest.mark.parametrize("utilization", [0.8, 0.97, 1.05])
@pytest.mark.parametrize("service_s", [0.0002, 0.002])
def test_what_a_server_loses_whose_speed_moves_is_the_mean_over_its_speeds(
    utilization: float, service_s: float
) -> None:
    # The mean over ten thousand speeds that are equally likely.
    normal = NormalDist(0.0, 0.06)
    speeds = [math.exp(normal.inv_cdf((place + 0.5) / 10_000)) for place in range(10_000)]
    seen = fmean(lost_share(utilization * slow, service_s * slow, 0.02) for slow in speeds)
    told = lost_share_at_moving_speed(utilization, service_s, 0.02, 0.06)
    assert told == pytest.approx(seen, abs=0.0005)
    # Slow moments lose more than fast ones can make good.
    assert told > lost_share(utilization, service_s, 0.02)


def test_a_server_whose_speed_does_not_move_loses_what_it_did() -> None:
    told = lost_share_at_moving_speed(0.97, 0.002, 0.02, 0.0)
    assert told == pytest.approx(lost_share(0.97, 0.002, 0.02))


@pytest.mark.parametrize("service_s", [1e-7, 2e-4, 2e-3, 0.02])
def test_the_more_a_speed_moves_the_less_full_a_server_may_be(service_s: float) -> None:
    found = [carried_utilization(service_s, 0.02, 0.02, spread) for spread in (0.0, 0.03, 0.1)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[1] > found[2]
    lost = lost_share_at_moving_speed(found[2], service_s, 0.02, 0.1)
    assert lost == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize("service_s", [1e-7, 2e-4, 2e-3, 0.02, 1.0])
def test_what_may_be_lost_says_how_full_a_server_may_be(service_s: float) -> None:
    found = carried_utilization(service_s, 0.02, 0.02, 0.0)
    assert 0 < found <= 1 / 0.98
    assert lost_share(found, service_s, 0.02) == pytest.approx(0.02, rel=1e-3)
