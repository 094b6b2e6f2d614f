"""When each action is due: drawn before the run, so that nothing in the run can move it."""

from random import Random


def clustered_times(rate: float, seconds: float, cluster: int, random: Random) -> list[float]:
    """Return times of the same mean ``rate`` that come in clusters of ``cluster`` at a time.

    The clusters are a Poisson process; all of one are due at the same moment, so that for as long
    as it takes to serve them the node works as it does when it is full. Raises ``ValueError``
    unless all numbers are positive.
    """
    if cluster < 1:
        raise ValueError(f"a cluster has at least one action, not {cluster}")
    times = poisson_times(rate / cluster, seconds, random)
    return [at for at in times for _ in range(cluster)]


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
