"""Who comes in while a lane is late: as many as are answered, and never so few that it idles."""

from collections import deque

import pytest

from node.ingress.turnstile import Turnstile
from node.ports.admission import Origin
from node.ports.intake import Late
from node.types.errors import Shed
from node.types.lanes import Lane

MS = 1_000_000
INTERVAL_NS = 100 * MS
RISKY = (Lane.RESTING, Lane.TAKING)


class Bench:
    """A turnstile, and lanes that are late when they are told to be."""

    def __init__(self) -> None:
        self.late: Late | None = None
        self.turnstile = Turnstile(lambda: self.late, INTERVAL_NS)

    def is_let_in(self, lane: Lane, at_ms: float, origin: int = 0, connection: int = 0) -> bool:
        """Return whether one comes in, by a connection of the address ``origin``."""
        where = Origin(origin, connection)
        if self.turnstile.refusal_of(lane, where, round(at_ms * MS)) is not None:
            return False
        self.turnstile.enter(lane, where)
        return True

    def burst(self, lane: Lane, at_ms: float, count: int, origin: int = 0) -> int:
        return sum(self.is_let_in(lane, at_ms, origin) for _ in range(count))

    def answer(self, lane: Lane, count: int, origin: int = 0, *, done: bool = True) -> None:
        for _ in range(count):
            self.turnstile.leave(lane, Origin(origin), done=done)


def late(lane: Lane) -> Late:
    return Late(lane, Shed(queue=f"lane_{lane.name.lower()}", delay_ms=30))


def test_while_nothing_is_late_everybody_comes_in() -> None:
    bench = Bench()
    assert bench.burst(Lane.TAKING, 0, 10_000) == 10_000


@pytest.mark.parametrize("slow", [Lane.LIQUIDATION, Lane.REDUCING, *RISKY])
@pytest.mark.parametrize("lane", RISKY)
def test_a_late_lane_closes_those_after_it(slow: Lane, lane: Lane) -> None:
    bench = Bench()
    bench.late = late(slow)
    let_in = bench.burst(lane, 0, 10)
    assert let_in == (0 if slow < lane else 1 if slow is lane else 10)


def test_what_is_on_its_way_to_a_late_lane_is_what_was_answered_in_an_interval() -> None:
    bench = Bench()
    assert bench.burst(Lane.RESTING, 0, 50) == 50
    bench.answer(Lane.RESTING, 40)
    bench.late = late(Lane.RESTING)
    # Forty in 200 ms are twenty in an interval, and ten of fifty are on their way.
    assert bench.burst(Lane.RESTING, 200, 99) == 10
    bench.answer(Lane.RESTING, 5)
    assert bench.burst(Lane.RESTING, 210, 99) == 5
    bench.answer(Lane.RESTING, 17)
    # In this interval more were answered than in the last one.
    assert bench.burst(Lane.RESTING, 220, 99) == 19


def test_a_lane_is_held_to_its_pace_until_nobody_had_to_be_refused() -> None:
    bench = Bench()
    bench.late = late(Lane.RESTING)
    assert bench.burst(Lane.RESTING, 0, 2) == 1
    bench.late = None
    for at_ms in (99, 198, 297):
        assert not bench.is_let_in(Lane.RESTING, at_ms)
        assert not bench.is_let_in(Lane.TAKING, at_ms)
    # Who knocks on goes on being held, but closes nothing to others.
    assert not bench.is_let_in(Lane.RESTING, 396)
    assert bench.is_let_in(Lane.TAKING, 397)
    assert bench.burst(Lane.RESTING, 496, 100) == 100


def test_where_nobody_is_let_in_one_is() -> None:
    bench = Bench()
    bench.late = late(Lane.RESTING)
    for at_ms in range(0, 5_000, 250):
        assert bench.burst(Lane.RESTING, at_ms, 3) == 1
        assert not bench.is_let_in(Lane.RESTING, at_ms + 249)
        bench.answer(Lane.RESTING, 1)


def test_at_twice_what_gets_done_no_turn_is_wasted_and_everybody_waits_for_an_interval() -> None:
    """Two come each millisecond, 20 ms pass before they can be served, and ten are in ten."""
    bench = Bench()
    verified: deque[int] = deque()
    waiting: deque[int] = deque()
    served, longest, late_since = 0, 0, None
    for at in range(3_000):
        for _ in range(2):
            if bench.is_let_in(Lane.RESTING, at):
                verified.append(at)
        while verified and verified[0] <= at - 20:
            waiting.append(verified.popleft())
        # Late as the lanes have it: a tenth of a second above 20 ms, which is 40 ms in all.
        stands = bool(waiting) and at - waiting[0] >= 40
        late_since = (at if late_since is None else late_since) if stands else None
        is_late = late_since is not None and at - late_since >= 100
        bench.late = late(Lane.RESTING) if is_late else None
        if at % 10 == 9:
            for _ in range(min(10, len(waiting))):
                waited = at - waiting.popleft()
                bench.answer(Lane.RESTING, 1)
                if at >= 1_000:
                    longest, served = max(longest, waited), served + 1
    assert served == 2_000
    assert longest <= 120


def test_whoever_knocks_most_cannot_keep_out_who_knocks_seldom() -> None:
    bench = Bench()
    assert bench.burst(Lane.RESTING, 0, 40, origin=1) == 40
    bench.answer(Lane.RESTING, 40, origin=1)
    bench.late = late(Lane.RESTING)
    assert bench.burst(Lane.RESTING, 100, 999, origin=1) == 40
    assert bench.burst(Lane.RESTING, 100, 999, origin=2) == 20
    assert bench.burst(Lane.RESTING, 100, 999, origin=3) == 13
    assert bench.burst(Lane.RESTING, 100, 999, origin=1) == 0
    # The crowd has an end as well.
    assert sum(bench.is_let_in(Lane.RESTING, 100, origin) for origin in range(4, 99)) == 7


def test_what_the_gate_finds_to_be_a_lie_says_nothing_of_the_pace() -> None:
    bench = Bench()
    bench.burst(Lane.RESTING, 0, 50)
    bench.answer(Lane.RESTING, 50, done=False)
    bench.late = late(Lane.RESTING)
    assert bench.burst(Lane.RESTING, 100, 99) == 1


def test_an_address_gains_nothing_by_opening_connections() -> None:
    bench = Bench()
    assert bench.burst(Lane.RESTING, 0, 40, origin=1) == 40
    bench.answer(Lane.RESTING, 40, origin=1)
    bench.late = late(Lane.RESTING)
    crowd = [bench.is_let_in(Lane.RESTING, 100, 1, connection) for connection in range(256)]
    assert sum(crowd) == 60
    # Another address has its half of the pace, as far as there is room.
    assert bench.burst(Lane.RESTING, 100, 999, origin=2) == 20


def test_within_an_address_a_connection_that_knocks_seldom_is_let_in() -> None:
    bench = Bench()
    assert bench.burst(Lane.RESTING, 0, 40) == 40
    bench.answer(Lane.RESTING, 40)
    bench.late = late(Lane.RESTING)
    assert bench.burst(Lane.RESTING, 100, 999) == 40
    assert bench.is_let_in(Lane.RESTING, 100, 0, 7)
    # With a third one there, each has a third of the address's part.
    assert bench.is_let_in(Lane.RESTING, 100, 0, 8)
    assert sum(bench.is_let_in(Lane.RESTING, 100, 0, 7) for _ in range(99)) == 12
    assert sum(bench.is_let_in(Lane.RESTING, 100, 0, 8) for _ in range(99)) == 6


def test_who_has_gone_takes_no_part_of_the_pace() -> None:
    bench = Bench()
    for origin in range(40):
        assert bench.is_let_in(Lane.RESTING, 0, origin)
        bench.answer(Lane.RESTING, 1, origin)
    bench.late = late(Lane.RESTING)
    assert bench.burst(Lane.RESTING, 100, 999, origin=1) == 40
    assert bench.burst(Lane.RESTING, 100, 999, origin=2) == 20
