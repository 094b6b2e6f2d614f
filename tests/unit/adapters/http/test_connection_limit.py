"""Who gets a place, who makes room, and who is refused with which limit."""

from random import Random

import pytest

from node.adapters.http.connection_limit import ConnectionLimit
from node.types.errors import Overloaded


class Caller:
    """A connection that knows whether it was hung up on."""

    def __init__(self) -> None:
        self.gone = False

    def make_room(self) -> None:
        self.gone = True


def seat(limit: ConnectionLimit, address: str, *, idle: bool = False) -> Caller:
    caller = Caller()
    limit.enter(caller, address)
    if idle:
        limit.rest(caller)
    return caller


def test_an_address_that_has_its_part_makes_room_by_its_own() -> None:
    limit = ConnectionLimit("plain", limit=10, each=2)
    stranger = seat(limit, "b", idle=True)
    first, second = seat(limit, "a", idle=True), seat(limit, "a", idle=True)
    seat(limit, "a")
    assert (stranger.gone, first.gone, second.gone) == (False, True, False)
    seat(limit, "a")
    with pytest.raises(Overloaded) as refused:
        seat(limit, "a")
    assert refused.value.values == {"queue": "plain_of_an_address", "limit": 2}
    assert (len(limit), limit.made_room) == (3, 2)


def test_who_works_keeps_his_place() -> None:
    limit = ConnectionLimit("plain", limit=2, each=2)
    busy, idle = seat(limit, "a", idle=True), seat(limit, "b", idle=True)
    limit.work(busy)
    seat(limit, "c")
    assert (busy.gone, idle.gone) == (False, True)
    with pytest.raises(Overloaded) as refused:
        seat(limit, "d")
    assert refused.value.values == {"queue": "plain", "limit": 2}
    limit.leave(busy)
    seat(limit, "d")


def test_who_has_left_is_not_asked_to_make_room() -> None:
    limit = ConnectionLimit("plain", limit=1, each=1)
    gone = seat(limit, "a", idle=True)
    limit.leave(gone)
    limit.leave(gone)
    limit.rest(gone)
    limit.work(gone)
    seat(limit, "b")
    assert not gone.gone
    assert len(limit) == 1


@pytest.mark.parametrize("seed", range(4))
def test_no_limit_is_ever_passed(seed: int) -> None:
    print(f"seed {seed}")
    random, limit = Random(seed), ConnectionLimit("plain", limit=8, each=3)
    inside: dict[Caller, str] = {}
    for _ in range(3_000):
        way = random.random()
        if way < 0.5 or not inside:
            address = random.choice("abcdef")
            try:
                inside[seat(limit, address)] = address
            except Overloaded:
                assert len(inside) == 8 or list(inside.values()).count(address) == 3
        else:
            caller = random.choice(list(inside))
            if way < 0.7:
                limit.rest(caller)
            elif way < 0.8:
                limit.work(caller)
            else:
                limit.leave(caller)
                del inside[caller]
        inside = {caller: address for caller, address in inside.items() if not caller.gone}
        assert len(limit) == len(inside) <= 8
        assert all(list(inside.values()).count(address) <= 3 for address in "abcdef")


def test_who_was_just_answered_begins_to_idle_anew() -> None:
    limit = ConnectionLimit("plain", limit=2, each=2)
    answered, silent = seat(limit, "a", idle=True), seat(limit, "b", idle=True)
    limit.rest(answered)  # Refused before any work began.
    seat(limit, "c")
    assert (answered.gone, silent.gone) == (False, True)
