"""When the machine's clock is believed: at a start, and after it has jumped."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from node.app.clock_watch import ClockWatch, require_time
from node.ports.chain import L1Block, Tag
from node.types.errors import ChainUnavailable, SetupError
from node.types.units import Millis

if TYPE_CHECKING:
    from node.adapters.l1_chain import L1Chain
    from node.app.foundation import Foundation

NOW_S = 1_760_000_000
HOUR_S = 3_600


class Head:
    """L1 with a head of ``time_s``; without one it does not answer."""

    def __init__(self, time_s: int | None) -> None:
        self.time_s = time_s
        self.asked = 0

    async def block(self, at: Tag) -> L1Block:
        assert at is Tag.LATEST
        self.asked += 1
        if self.time_s is None:
            raise ChainUnavailable(detail="away")
        return L1Block(number=1, hash=bytes(32), time_s=self.time_s, base_fee=0)


class SetClock:
    """Tells ``NOW_S``; the wall clock beside it has jumped by ``jump_ms``."""

    def __init__(self, jump_s: int) -> None:
        self.jump_ms = 1_000 * jump_s
        self._now_ms = 1_000 * NOW_S

    def now_ms(self) -> Millis:
        return Millis(self._now_ms)

    def now_ns(self) -> int:
        return 0

    def follow(self) -> None:
        self._now_ms, self.jump_ms = self._now_ms + self.jump_ms, 0


def watch_of(clock: SetClock | None, head: Head, log_s: int = 0) -> ClockWatch:
    base: Any = SimpleNamespace(
        platform=SimpleNamespace(set_clock=clock),
        state=SimpleNamespace(time=1_000 * log_s),
        chain=head,
    )
    return ClockWatch(cast("Foundation", base))


async def require(head_s: int, log_s: int = 0) -> None:
    chain = cast("L1Chain", Head(head_s))
    await require_time(chain, Millis(1_000 * NOW_S), Millis(1_000 * log_s), 900)


@pytest.mark.parametrize("head_s", [NOW_S + 120, NOW_S, NOW_S - 900])
async def test_a_clock_that_is_near_to_l1_is_believed(head_s: int) -> None:
    await require(head_s)


async def test_a_clock_ahead_of_l1_and_of_the_log_is_refused() -> None:
    for log_s in (0, NOW_S - HOUR_S):
        with pytest.raises(SetupError) as refused:
            await require(NOW_S - 901, log_s)
        assert refused.value.ahead_of_l1_s == 901
    await require(NOW_S - HOUR_S, NOW_S - 10)


async def test_a_clock_behind_l1_is_refused() -> None:
    with pytest.raises(SetupError) as refused:
        await require(NOW_S + 121, NOW_S + 10)
    assert refused.value.behind_l1_s == 121


@pytest.mark.parametrize(
    ("jump_s", "head_s"),
    [(7_200, NOW_S), (7_200, NOW_S + 7_139), (20, NOW_S), (-7_200, NOW_S), (-20, NOW_S)],
)
async def test_a_jump_that_l1_does_not_bear_out_is_told_and_not_followed(
    jump_s: int, head_s: int
) -> None:
    clock = SetClock(jump_s)
    watch = watch_of(clock, Head(head_s))
    await watch.look()
    assert watch.jumped
    assert clock.now_ms() == 1_000 * NOW_S


@pytest.mark.parametrize(("jump_s", "age_s"), [(7_200, 60), (20, 15), (6, 15), (-600, 15)])
async def test_a_jump_is_followed_once_l1_has_come_as_far(jump_s: int, age_s: int) -> None:
    clock, head = SetClock(jump_s), Head(NOW_S)
    watch = watch_of(clock, head)
    await watch.look()
    head.time_s = NOW_S + jump_s - age_s
    await watch.look()
    assert not watch.jumped
    assert clock.now_ms() == 1_000 * (NOW_S + jump_s)


async def test_nobody_bears_out_a_jump_while_l1_is_away() -> None:
    watch = watch_of(SetClock(7_200), Head(None))
    await watch.look()
    assert watch.jumped


async def test_l1_is_not_asked_without_need() -> None:
    head = Head(NOW_S)
    await watch_of(SetClock(0), head).look()
    assert head.asked == 0


async def test_a_log_ahead_of_the_clock_is_told() -> None:
    assert not watch_of(SetClock(0), Head(NOW_S), NOW_S + 10).log_ahead
    assert watch_of(SetClock(0), Head(NOW_S), NOW_S + 11).log_ahead


async def test_a_clock_that_nobody_can_set_is_not_watched() -> None:
    watch = watch_of(None, Head(NOW_S), NOW_S + HOUR_S)
    await watch.run()
    assert not watch.jumped
    assert not watch.log_ahead
