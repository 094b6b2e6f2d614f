"""A node whose costs are known is predicted from below half load, and found where it was told."""

import math
from collections import Counter
from random import Random
from typing import cast

import msgspec
import pytest

from node.app.cli.verify_quiet import BELOW, OVER_S, TURN_MAX, TURN_SHARES, Climbed, Quiet, Wanted
from node.app.cli.verify_turns import DELAY_SHARES, Turns, delay_checks
from node.planner.predict import Surroundings
from node.planner.responses import DelayLaw, DelayLaws
from node.planner.verification import slowed
from node.simulation.ramp.command import NothingCarried
from node.simulation.ramp.knee import SearchLimits
from node.simulation.ramp.machine import cores
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.points import Delays, RampPoint
from node.simulation.ramp.ramp import Measured, Ramp
from node.types.errors import MeasurementInvalid
from tests.unit.planner.test_predict import KnownNode
from tests.unit.simulation.ramp.test_verify_windows import POINT

NODE = KnownNode(noise=0.01)
KNEE = NODE.knee_per_s(Surroundings(cores=cores()))
CLUSTERS = [Wanted(rate, size) for size in (8, 32) for rate in (400.0, 800.0, 1_200.0, 1_600.0)]


class KnownRamp:
    """Answers as a node of known costs does, on a machine that takes ``speeds`` as long by turns.

    What it carries is told by the same costs, so that a law that is right foretells it.
    """

    def __init__(self, *speeds: float, carries: float = 1.0) -> None:
        self._random = Random(3)
        self._speeds = speeds or (1.0,)
        self._carries = carries
        self.asked: list[tuple[float, int]] = []

    async def measure(
        self,
        rate: float,
        *,
        share: float | None = None,
        cluster: int = 1,
        window_s: float = 4.0,
    ) -> Measured:
        assert window_s in {4.0, OVER_S}
        speed = self._speeds[len(self.asked) % len(self._speeds)]
        self.asked.append((rate, cluster))
        carried = self._carries * 0.98 * KNEE / speed
        busy = min(0.9 * rate / KNEE, 0.95)
        delays: Delays = {"p50": 3.0, "p99": 5.0 / (1 - busy), "p999": 90.0}
        return Measured(
            point=msgspec.structs.replace(
                POINT,
                wanted_per_s=rate,
                offered_per_s=rate,
                goodput_per_s=min(rate, carried),
                delay_ms=delays,
                share=share,
                yardstick_ms=speed / 2,
                utilization={"event_loop": 0.95},
            ),
            window=slowed(NODE.window(rate, rate / min(cluster, 20), self._random), speed),
            generator_s=0.0,
            wakes=round(2 * rate),
            beside_s={},
            strangers_s=0.0,
        )


async def turned(ramp: KnownRamp, guess: float, turns: int = 28) -> Turns:
    climbed = Climbed(Quiet([], []), CLUSTERS, guess)
    windows = climbed.turns(guess)
    seen = Turns(cast("Ramp", ramp), guess, SearchLimits())
    for turn in range(turns):
        await seen.take(turn, windows[turn % len(windows)])
    return seen


def test_each_quiet_window_comes_once_before_any_comes_again() -> None:
    windows = Climbed(Quiet([], []), CLUSTERS, 1.0).turns(10_000.0)
    ones = [wanted.rate for wanted in windows if wanted.cluster == 1]
    assert ones == [share * 10_000 for share in TURN_SHARES]
    assert [wanted for wanted in windows if wanted.cluster > 1] == CLUSTERS
    # One kind does not come first and the other last.
    kinds = [wanted.cluster > 1 for wanted in windows]
    assert abs(sum(kinds[: len(kinds) // 2]) - len(CLUSTERS) / 2) <= 1


def test_no_turn_goes_past_its_share_of_the_knee_however_far_up_the_clusters_went() -> None:
    windows = Climbed(Quiet([], []), CLUSTERS, 1.0).turns(2_000.0)
    assert max(wanted.rate for wanted in windows) == TURN_MAX * 2_000.0
    assert Counter(wanted.cluster for wanted in windows) == {1: len(TURN_SHARES), 8: 4, 32: 4}


@pytest.mark.parametrize("off", [0.8, 1.0, 1.2])
async def test_what_is_predicted_is_what_is_measured(off: float) -> None:
    ramp = KnownRamp()
    found = (await turned(ramp, off * KNEE)).verdict(Mix.SINGLE, [], KNEE)
    assert found.measured == pytest.approx(KNEE, rel=0.04)
    assert found.error_ratio == pytest.approx(0.0, abs=0.1)
    assert found.calibrated_below <= 0.5
    # The busiest are single arrivals at the highest share, each with a block of its own.
    highest = max(off * share for share in TURN_SHARES if off * share < BELOW) * KNEE
    each_us = NODE.action_us + NODE.block_us
    busiest = (NODE.second_us + highest * each_us) / 1e6
    assert found.loop_below == pytest.approx(busiest, rel=0.03)
    assert found.holds
    assert len(found.delays) == len(DELAY_SHARES)
    # Every turn has a window of each kind, and every other one more.
    assert len(ramp.asked) == 2 * 28 + 14
    assert Counter(size for _, size in ramp.asked)[32] == 8


async def test_a_machine_of_two_speeds_is_met_by_both_at_each() -> None:
    ramp = KnownRamp(*[0.9] * 15, *[1.1] * 15)
    found = (await turned(ramp, KNEE)).verdict(Mix.SINGLE, [], KNEE)
    assert found.error_ratio == pytest.approx(0.0, abs=0.1)


async def test_a_node_that_carries_nothing_is_named() -> None:
    seen = await turned(KnownRamp(carries=0.0), KNEE)
    with pytest.raises(NothingCarried):
        seen.verdict(Mix.SINGLE, [], KNEE)


async def test_a_node_that_carries_everything_is_not_said_to_carry_nothing() -> None:
    seen = await turned(KnownRamp(carries=1_000.0), KNEE)
    with pytest.raises(MeasurementInvalid, match="every rate up to 50,000/s"):
        seen.verdict(Mix.SINGLE, [], KNEE)


def test_delays_are_compared_at_the_load_that_they_were_measured_at() -> None:
    laws = DelayLaws(0.9, math.log(2.5) * 2, DelayLaw(2.0, 3.0), DelayLaw(4.0, 2.0))

    def at(rate: float, factor: float = 1.0) -> RampPoint:
        delays: Delays = {"p50": 5.0 * factor, "p99": 40.0 * factor, "p999": None}
        return msgspec.structs.replace(POINT, wanted_per_s=rate, delay_ms=delays)

    # The knee was 1,000: 500 is half of it, where the loop idles for a quarter of its time.
    (check,) = delay_checks([[at(500.0)], [at(1_010.0)], [at(100.0)]], laws, 1_000.0)
    assert (check.share, check.rate) == pytest.approx((0.5, 500.0))
    told = {"p50": 2.0 + 3 * 0.45 / 0.55, "p99": 4.0 + 8 * math.log(75)}
    assert check.predicted == pytest.approx(told)
    assert check.error_ratio == pytest.approx(
        {"p50": told["p50"] / 5 - 1, "p99": told["p99"] / 40 - 1}
    )
    assert delay_checks([[at(500.0)]], None, 1_000.0) == ()
    # Of several rounds the medians count, and none for what one of them does not tell.
    torn = msgspec.structs.replace(at(450.0), delay_ms={"p50": 5.0, "p99": None, "p999": None})
    rounds = [torn, at(400.0, 0.5), at(500.0), at(510.0), at(900.0, 9.0)]
    (several,) = delay_checks([rounds], laws, 1_000.0)
    assert several.rate == 500.0
    assert several.measured == pytest.approx({"p50": 5.0, "p99": 40.0})
