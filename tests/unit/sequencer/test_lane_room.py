"""The room that accounts share: what it counts, and who makes room for whom."""

import pytest

from node.types.errors import Overloaded
from node.types.lanes import Lane
from tests.unit.sequencer.test_overload import ALICE, BOB, MALLORY, Bench

LIMIT = 3
ROOM = 3 * LIMIT


def use(bench: Bench, rounds: int) -> None:
    """Take some in and let it go again, by its turn and because others need the room."""
    for _ in range(rounds):
        for whose in (MALLORY, MALLORY, MALLORY, ALICE):
            bench.offer(Lane.TAKING, whose)
        bench.take(ROOM)


def test_the_room_is_as_large_after_much_use_as_it_was_before() -> None:
    bench = Bench(limit=LIMIT)
    use(bench, 2 * ROOM)
    assert len(bench.dismissed) == 2 * ROOM
    bench.dismissed.clear()
    for _ in range(ROOM):
        bench.offer(Lane.REDUCING)
    assert isinstance(bench.refused(Lane.REDUCING), Overloaded)
    assert bench.dismissed == []


@pytest.mark.parametrize(("lane", "room"), [(Lane.TAKING, LIMIT), (Lane.REDUCING, ROOM)])
def test_who_would_have_as_much_as_the_busiest_puts_nobody_out(lane: Lane, room: int) -> None:
    bench = Bench(limit=LIMIT)
    for _ in range(room // 2):
        bench.offer(lane, ALICE)
    for _ in range(room - room // 2):
        bench.offer(lane, BOB)
    assert isinstance(bench.refused(lane, ALICE), Overloaded)
    assert bench.dismissed == []
