"""When each action is due: drawn before the run, so that nothing in the run can move it."""

from random import Random


def poisson_times(rate: float, seconds: float, random: Random) -> list[float]:
    """Return the times of a Poisson process of ``rate`` per second over ``seconds``, ascending.

    Raises ``ValueError`` unless both are positive.
    """
    if not (rate > 0 and seconds > 0):
        raise ValueError(f"a rate and a duration are positive: {rate}, {seconds}")
    times: list[float] = []
    at = random.expovariate(rate)
    while at < seconds:
        times.append(at)
        at += random.expovariate(rate)
    return times
