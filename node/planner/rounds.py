"""One verdict of several rounds: a shared machine has many speeds, and a mean of them fewer."""

from collections.abc import Mapping, Sequence
from statistics import fmean, geometric_mean, mode

from node.planner.predict import Ceiling
from node.planner.verification import Bottlenecks, DelayCheck, MixVerdict, Range, delay_check


def of_rounds(rounds: Sequence[MixVerdict]) -> MixVerdict:
    """Return the verdict on several rounds with one node, in each of which it was predicted anew.

    Rates and delays are geometric means over the rounds, shares and utilizations plain ones, the
    bottlenecks those that were named most often. ``calibrated_below`` is the highest. P5 and P95
    are as wide as those of one round: how much less a mean of rounds scatters, nobody measured.
    """
    if len(rounds) == 1:
        return rounds[0]
    knee = _middle([each.measured for each in rounds])
    p50 = _middle([each.predicted.p50 for each in rounds])
    predicted = Range(
        _middle([each.predicted.p5 for each in rounds]),
        p50,
        _middle([each.predicted.p95 for each in rounds]),
    )
    same = _known([each.measured_at_same_speed for each in rounds])
    strangers = _known([each.strangers for each in rounds])
    return MixVerdict(
        mix=rounds[0].mix,
        predicted=predicted,
        measured=knee,
        measured_low=_middle([each.measured_low for each in rounds]),
        measured_high=_middle([each.measured_high for each in rounds]),
        error_ratio=p50 / knee - 1,
        inside=predicted.p5 <= knee <= predicted.p95,
        beside_strangers=_middle([each.beside_strangers for each in rounds]),
        bottleneck=Bottlenecks(
            mode(each.bottleneck.predicted for each in rounds),
            mode(each.bottleneck.measured for each in rounds),
        ),
        next_bottleneck=mode(each.next_bottleneck for each in rounds),
        ceilings=_ceilings_of(rounds),
        utilization={
            name: fmean(each.utilization.get(name, 0.0) for each in rounds)
            for name in rounds[0].utilization
        },
        delays=_delays_of(rounds),
        calibrated_below=max(each.calibrated_below for each in rounds),
        windows=sum(each.windows for each in rounds),
        strangers=fmean(strangers) if strangers else None,
        measured_at_same_speed=_middle(same) if same else None,
        error_at_same_speed=p50 / _middle(same) - 1 if same else None,
        rounds=tuple(rounds),
    )


def _middle(values: Sequence[float]) -> float:
    """Return the geometric mean; 0 where any is."""
    return geometric_mean(values) if all(values) else 0.0


def _known(values: Sequence[float | None]) -> list[float]:
    """Return all of ``values``, or none where one of them is unknown."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def _ceilings_of(rounds: Sequence[MixVerdict]) -> tuple[Ceiling, ...]:
    """Return those that every round tells, the lowest first."""
    found: dict[str, list[Ceiling]] = {}
    for each in rounds:
        for ceiling in each.ceilings:
            found.setdefault(ceiling.resource, []).append(ceiling)
    means = [
        Ceiling(
            resource,
            _middle([ceiling.p5 for ceiling in ceilings]),
            _middle([ceiling.p50 for ceiling in ceilings]),
            _middle([ceiling.p95 for ceiling in ceilings]),
        )
        for resource, ceilings in found.items()
        if len(ceilings) == len(rounds)
    ]
    return tuple(sorted(means, key=lambda ceiling: ceiling.p50))


def _delays_of(rounds: Sequence[MixVerdict]) -> tuple[DelayCheck, ...]:
    """Return the delays at each load that every round compared, the lowest first."""
    compared = min(len(each.delays) for each in rounds)
    return tuple(
        delay_check(
            fmean(check.share for check in checks),
            _middle([check.rate for check in checks]),
            _middle_delays([check.predicted for check in checks]),
            _middle_delays([check.measured for check in checks]),
        )
        for checks in ([each.delays[place] for each in rounds] for place in range(compared))
    )


def _middle_delays(delays: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {
        name: _middle([each[name] for each in delays])
        for name in delays[0]
        if all(name in each for each in delays)
    }
