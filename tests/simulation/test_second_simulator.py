"""The planner's simulation and its laws against simpy, a simulator that others wrote.

Of the planner the two kernels of its events by themselves, and the whole way of a forecast: a
scenario drawn, its waits as its columns tell them. Both sides run replications of their own, from
different generators, so that nothing is shared but the model. They agree when the difference of
their means lies within its interval (Welch), and the law when it lies within that of both. There
are 27 such comparisons; with an interval of 99.96 % for each, a right pair passes them all with a
probability of 99 % (Bonferroni). Seeds are fixed: what passes, passes again.
"""

import math
import random
from collections.abc import Callable, Generator
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
import simpy
from numpy.typing import NDArray
from scipy import stats

from node.planner import forecast
from node.planner.events import pool_departures_s, starts_by_priority_s
from node.planner.scenario import LANES, Extent, FlowKind, Scenario
from node.planner.waiting import Load, Moments, erlang_c, priority_mean_waits_s
from tests.simulation.test_forecast import LOOP

Vector = NDArray[np.float64]
Service = Callable[[random.Random], float]

REPLICATIONS = 24
EVENTS = 4_000
WARM_UP = 500
COMPARISONS = 27
CONFIDENCE = 1 - 0.01 / COMPARISONS


def interval(samples: list[float]) -> tuple[float, float]:
    """Return mean and half width of the confidence interval over replications."""
    error = float(stats.sem(samples))
    return float(np.mean(samples)), error * float(
        stats.t.ppf((1 + CONFIDENCE) / 2, len(samples) - 1)
    )


def assert_agreement(ours: list[float], theirs: list[float], law: float) -> None:
    (mean, half), (other_mean, other_half) = interval(ours), interval(theirs)
    print(f"ours {mean:.4f} ± {half:.4f}, simpy {other_mean:.4f} ± {other_half:.4f}, law {law:.4f}")
    assert abs(mean - other_mean) <= math.hypot(half, other_half)
    assert abs(mean - law) <= half
    assert abs(other_mean - law) <= other_half
    # An interval that is wide enough holds anything.
    assert half < 0.2 * law


def simpy_waits(
    rates: list[float], services: list[Service], servers: int, seed: int
) -> list[list[float]]:
    """Return the waits of each class in order of arrival; the first class goes first."""
    chance = random.Random(seed)
    environment = simpy.Environment()
    server = simpy.PriorityResource(environment, servers)
    waits: list[list[float]] = [[] for _ in rates]

    def job(lane: int) -> Generator[Any, Any, None]:
        arrived = environment.now
        with server.request(priority=lane) as turn:
            yield turn
            waits[lane].append(environment.now - arrived)
            yield environment.timeout(services[lane](chance))

    def source(lane: int) -> Generator[Any, Any, None]:
        while True:
            yield environment.timeout(chance.expovariate(rates[lane]))
            environment.process(job(lane))

    for lane in range(len(rates)):
        environment.process(source(lane))
    environment.run(until=EVENTS / sum(rates))
    return waits


def our_waits(
    rates: list[float], draws: list[Callable[[np.random.Generator, int], Vector]], seed: int
) -> list[Vector]:
    generator = np.random.default_rng(seed)
    count = EVENTS
    times = np.cumsum(generator.exponential(1 / sum(rates), count))
    lanes = generator.choice(len(rates), count, p=np.array(rates) / sum(rates))
    services = np.zeros(count)
    for lane, draw in enumerate(draws):
        services[lanes == lane] = draw(generator, int((lanes == lane).sum()))
    starts = starts_by_priority_s(
        times.tolist(), lanes.tolist(), services.tolist(), [count] * len(rates)
    )
    waits = np.array(starts) - times
    return [waits[lanes == lane] for lane in range(len(rates))]


UNIT_US = 1_000.0
"""What a scenario takes for the unit of simpy's times."""


def scenario_of(kinds: tuple[FlowKind, ...], rate: float) -> Scenario:
    """Return a loop alone under ``kinds``, ``rate`` of them in a unit of time."""
    flow = msgspec.structs.replace(LOOP.flow, rate_per_s=rate * 1e6 / UNIT_US)
    return msgspec.structs.replace(LOOP, kinds=kinds, flow=flow)


@cache
def drawn_waits(scenario: Scenario, seed: int) -> dict[str, float]:
    """Return the mean wait in each lane, in units of time, as one run of a forecast tells it."""
    # Waits are told by the events of a stretch, so that its hour may be short.
    extent = Extent(
        horizon_s=20.0, runs=1, stretch_events=EVENTS, knee_runs=1, knee_s=1.0, seed=seed
    )
    columns = forecast.draw(msgspec.structs.replace(scenario, extent=extent)).columns
    sums, counts = columns["wait_sums_s"][0], columns["wait_counts"][0].sum(axis=1)
    return {
        lane: float(sums[place] / counts[place]) * 1e6 / UNIT_US
        for place, lane in enumerate(LANES)
        if counts[place]
    }


@pytest.mark.lengthy
def test_a_forecast_of_one_lane() -> None:
    load = 0.7
    scenario = scenario_of((FlowKind("take", "taking", 1.0, UNIT_US, 1.0, 0.0, 1.0),), load)
    ours = [drawn_waits(scenario, seed)["taking"] for seed in range(REPLICATIONS * 2)]
    theirs = [
        float(np.mean(simpy_waits([load], [lambda c: c.expovariate(1.0)], 1, seed)[0][WARM_UP:]))
        for seed in range(REPLICATIONS)
    ]
    (law,) = priority_mean_waits_s([Load(load, Moments(1.0, 2.0))])
    assert_agreement(ours, theirs, law)


@pytest.mark.parametrize(("lane", "name"), [(0, "reducing"), (1, "taking")])
@pytest.mark.lengthy
def test_a_forecast_of_two_lanes(lane: int, name: str) -> None:
    rates = [0.3, 0.45]
    loads = [Load(0.3, Moments(0.5, 0.25)), Load(0.45, Moments(1.2, 2 * 1.2**2))]
    kinds = (
        FlowKind("cancel", "reducing", 0.3, 0.5 * UNIT_US, 0.0, 0.0, 1.0),
        FlowKind("take", "taking", 0.45, 1.2 * UNIT_US, 1.0, 0.0, 1.0),
    )
    scenario = scenario_of(kinds, sum(rates))
    ours = [drawn_waits(scenario, seed)[name] for seed in range(REPLICATIONS * 2)]
    services: list[Service] = [lambda _: 0.5, lambda c: c.expovariate(1 / 1.2)]
    theirs = [
        float(np.mean(simpy_waits(rates, services, 1, seed)[lane])) for seed in range(REPLICATIONS)
    ]
    assert_agreement(ours, theirs, priority_mean_waits_s(loads)[lane])


@pytest.mark.lengthy
def test_exponential_service() -> None:
    load = 0.7
    ours = [
        our_waits([load], [lambda g, n: g.exponential(1.0, n)], seed)[0][WARM_UP:].mean()
        for seed in range(REPLICATIONS * 2)
    ]
    theirs = [
        float(np.mean(simpy_waits([load], [lambda c: c.expovariate(1.0)], 1, seed)[0][WARM_UP:]))
        for seed in range(REPLICATIONS)
    ]
    (law,) = priority_mean_waits_s([Load(load, Moments(1.0, 2.0))])
    assert_agreement(ours, theirs, law)


@pytest.mark.lengthy
def test_service_of_two_sizes() -> None:
    """Nine short and one long in ten: E[S] = 1.0, E[S²] = 2.8."""
    load = 0.6
    short, long = 0.4, 6.4
    moments = Moments(0.9 * short + 0.1 * long, 0.9 * short**2 + 0.1 * long**2)

    def draw(generator: np.random.Generator, count: int) -> Vector:
        return np.where(generator.random(count) < 0.1, long, short)

    ours = [our_waits([load], [draw], seed)[0][WARM_UP:].mean() for seed in range(REPLICATIONS * 2)]
    theirs = [
        float(
            np.mean(simpy_waits([load], [lambda c: long if c.random() < 0.1 else short], 1, s)[0])
        )
        for s in range(REPLICATIONS)
    ]
    (law,) = priority_mean_waits_s([Load(load, moments)])
    assert_agreement(ours, theirs, law)


@pytest.mark.parametrize("lane", [0, 1])
@pytest.mark.lengthy
def test_two_lanes(lane: int) -> None:
    rates = [0.3, 0.45]
    loads = [Load(0.3, Moments(0.5, 0.25)), Load(0.45, Moments(1.2, 2 * 1.2**2))]
    ours = [
        our_waits(
            rates,
            [lambda _, n: np.full(n, 0.5), lambda g, n: g.exponential(1.2, n)],
            seed,
        )[lane][WARM_UP // 4 :].mean()
        for seed in range(REPLICATIONS * 2)
    ]
    theirs = [
        float(
            np.mean(
                simpy_waits(rates, [lambda _: 0.5, lambda c: c.expovariate(1 / 1.2)], 1, seed)[lane]
            )
        )
        for seed in range(REPLICATIONS)
    ]
    assert_agreement(ours, theirs, priority_mean_waits_s(loads)[lane])


@pytest.mark.lengthy
def test_a_pool_of_three() -> None:
    rate = 2.4
    ours = []
    for seed in range(REPLICATIONS * 2):
        generator = np.random.default_rng(seed)
        times = np.cumsum(generator.exponential(1 / rate, EVENTS))
        services = generator.exponential(1.0, EVENTS)
        departures = pool_departures_s(times.tolist(), services.tolist(), 3)
        ours.append(float((np.array(departures) - services - times)[WARM_UP:].mean()))
    theirs = [
        float(np.mean(simpy_waits([rate], [lambda c: c.expovariate(1.0)], 3, seed)[0]))
        for seed in range(REPLICATIONS)
    ]
    # Who waits finds all three busy, which end at the rate 3 − 2.4 faster than others come.
    assert_agreement(ours, theirs, erlang_c(3, rate) / (3 - rate))


def simpy_fork_join(rate: float, branches: int, seed: int) -> list[float]:
    """Return the time from each arrival until the last of its tasks is done."""
    chance = random.Random(seed)
    environment = simpy.Environment()
    servers = [simpy.Resource(environment) for _ in range(branches)]
    responses: list[float] = []

    def task(server: simpy.Resource) -> Generator[Any, Any, None]:
        with server.request() as turn:
            yield turn
            yield environment.timeout(chance.expovariate(1.0))

    def fork() -> Generator[Any, Any, None]:
        arrived = environment.now
        yield simpy.AllOf(environment, [environment.process(task(s)) for s in servers])
        responses.append(environment.now - arrived)

    def source() -> Generator[Any, Any, None]:
        while True:
            yield environment.timeout(chance.expovariate(rate))
            environment.process(fork())

    environment.process(source())
    environment.run(until=EVENTS / rate)
    return responses


@pytest.mark.lengthy
def test_fork_and_join_of_two() -> None:
    """Each branch is a pool of one; R₂ = (12 − ρ)/8 · 1/(μ − λ) (Flatto and Hahn 1984)."""
    rate = 0.6
    ours = []
    for seed in range(REPLICATIONS * 2):
        generator = np.random.default_rng(seed)
        times = np.cumsum(generator.exponential(1 / rate, EVENTS)).tolist()
        tasks = generator.exponential(1.0, (2, EVENTS)).tolist()
        joined = np.max([pool_departures_s(times, services, 1) for services in tasks], axis=0)
        ours.append(float((joined - times)[WARM_UP:].mean()))
    theirs = [float(np.mean(simpy_fork_join(rate, 2, seed))) for seed in range(REPLICATIONS)]
    assert_agreement(ours, theirs, (12 - rate) / 8 / (1 - rate))
