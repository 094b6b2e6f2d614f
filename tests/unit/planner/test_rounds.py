"""Rounds count alike: what one machine's speed did to one of them is a part of the whole."""

import msgspec
import pytest

from node.planner.predict import Ceiling, Prediction
from node.planner.rounds import of_rounds
from node.planner.verification import DelayCheck, MixVerdict, delay_check, verdict_of


def a_round(
    predicted: float,
    measured: float,
    *,
    full: str = "event_loop",
    delays: tuple[DelayCheck, ...] = (),
    below: float = 0.4,
    at_same_speed: float | None = None,
) -> MixVerdict:
    ceilings = tuple(
        Ceiling(name, 0.8 * limit, limit, 1.2 * limit)
        for name, limit in (("event_loop", predicted), ("machine", 3 * predicted))
    )
    return verdict_of(
        "single",
        Prediction(0.8 * predicted, predicted, 1.2 * predicted, "event_loop", "machine", ceilings),
        0.9 * predicted,
        (0.97 * measured, measured, 1.03 * measured),
        {full: 0.99},
        delays,
        calibrated_below=below,
        windows=13,
        strangers=0.01,
        at_same_speed=at_same_speed,
    )


def test_one_round_is_the_verdict_itself() -> None:
    only = a_round(1_000.0, 900.0)
    assert of_rounds([only]) is only


def test_errors_of_a_speed_that_comes_and_goes_even_out() -> None:
    rounds = [a_round(1_000.0, 800.0), a_round(1_000.0, 1_000.0), a_round(1_000.0, 1_250.0)]
    whole = of_rounds(rounds)
    assert [each.holds for each in rounds] == [False, True, False]
    assert whole.measured == pytest.approx(1_000.0)
    assert whole.error_ratio == pytest.approx(0.0)
    assert whole.holds
    assert whole.inside
    assert whole.rounds == tuple(rounds)
    assert whole.windows == 39
    assert whole.strangers == pytest.approx(0.01)
    assert (whole.predicted.p5, whole.predicted.p95) == pytest.approx((800.0, 1_200.0))
    assert [ceiling.resource for ceiling in whole.ceilings] == ["event_loop", "machine"]
    assert whole.ceilings[1].p95 == pytest.approx(3_600.0)
    again = msgspec.json.decode(msgspec.json.encode(whole), type=MixVerdict)
    assert again.rounds[2].measured == 1_250.0


def test_a_law_that_is_wrong_is_wrong_in_every_round_and_in_all() -> None:
    whole = of_rounds([a_round(1_000.0, measured) for measured in (800.0, 850.0, 900.0)])
    assert whole.error_ratio == pytest.approx(0.178, abs=0.002)
    assert not whole.holds


def test_what_saw_half_load_in_one_round_is_no_prediction() -> None:
    assert not of_rounds([a_round(1.0, 1.0), a_round(1.0, 1.0, below=0.51)]).holds


def test_the_bottleneck_is_what_was_full_most_often() -> None:
    full = ("machine", "event_loop", "machine")
    assert of_rounds([a_round(1.0, 1.0, full=each) for each in full]).bottleneck.measured == (
        "machine"
    )


def test_a_speed_that_one_round_does_not_know_is_not_told_of_all() -> None:
    known = a_round(1_000.0, 900.0, at_same_speed=1_000.0)
    assert of_rounds([known, known]).error_at_same_speed == pytest.approx(0.0)
    assert of_rounds([known, a_round(1_000.0, 900.0)]).error_at_same_speed is None


def test_delays_are_compared_where_all_rounds_did() -> None:
    def checks(measured_ms: float, *shares: float) -> tuple[DelayCheck, ...]:
        delays = {"p50": measured_ms}
        return tuple(delay_check(share, 1_000 * share, {"p50": 4.0}, delays) for share in shares)

    whole = of_rounds(
        [
            a_round(1.0, 1.0, delays=checks(2.0, 0.3, 0.6)),
            a_round(1.0, 1.0, delays=checks(8.0, 0.4)),
        ]
    )
    (check,) = whole.delays
    assert check.share == pytest.approx(0.35)
    assert check.measured["p50"] == pytest.approx(4.0)
    assert check.error_ratio["p50"] == pytest.approx(0.0)
