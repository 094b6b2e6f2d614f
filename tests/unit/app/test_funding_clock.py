"""Funding is asked for at the start and after each interval, whatever the answer was."""

import asyncio
from dataclasses import dataclass, field

import pytest

from node.app.funding_clock import FundingClock
from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.ports.intake import NEVER_NS, Deliver
from node.types.commands import Command, SettleFunding
from node.types.durable import Executed, Outcome
from node.types.errors import FundingNotDue, Overloaded, PlimsollError, ShuttingDown
from node.types.events import Rejected
from node.types.lanes import Lane
from node.types.units import Millis
from tests.examples import DOMAIN, RULES
from tests.unit.app.hand_clock import HandClock
from tests.unit.app.test_tally import block

SIGNING = Signing(DOMAIN, RULES)
INTERVAL_MS = min(market.funding_interval_ms for market in RULES.markets)
LATE_MS = 5


@dataclass
class Lanes:
    """An intake that refuses when told to, and keeps what it took."""

    clock: HandClock
    refuse_at: set[int] = field(default_factory=set)
    offered_at: list[int] = field(default_factory=list)
    names: set[bytes] = field(default_factory=set)
    answers: list[Deliver] = field(default_factory=list)

    def offer(
        self,
        command: Command,
        command_id: bytes,
        deliver: Deliver,
        lane: Lane | None = None,
        deadline_ns: int = NEVER_NS,
    ) -> None:
        assert command == SettleFunding()
        assert (lane, deadline_ns) == (None, NEVER_NS)
        turn = len(self.offered_at)
        self.offered_at.append(self.clock.ms)
        if turn in self.refuse_at:
            raise Overloaded(queue="system", limit=1)
        self.names.add(command_id)
        self.answers.append(deliver)


async def run(lanes: Lanes, turns: int, monkeypatch: pytest.MonkeyPatch) -> FundingClock:
    """Return a funding clock that has slept ``turns`` times; sleeping takes no time."""
    left = turns

    async def sleep(delay_s: float) -> None:
        nonlocal left
        if not left:
            raise asyncio.CancelledError
        left -= 1
        lanes.clock.ms = Millis(lanes.clock.ms + round(delay_s * 1_000))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    clock = FundingClock(RULES, SIGNING, lanes, lanes.clock)
    with pytest.raises(asyncio.CancelledError):
        await clock.run()
    return clock


async def test_it_asks_at_once_and_shortly_after_each_multiple_of_the_wall_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes = Lanes(HandClock())
    lanes.clock.ms = start = Millis(10 * INTERVAL_MS + 123)
    await run(lanes, 3, monkeypatch)
    multiples = [turn * INTERVAL_MS + LATE_MS for turn in (11, 12, 13)]
    assert lanes.offered_at == [start, *multiples]
    assert lanes.names == {command_id(SettleFunding(), SIGNING)}


async def test_a_full_lane_is_asked_again_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = Lanes(HandClock(), refuse_at={1, 2})
    lanes.clock.ms = start = Millis(10 * INTERVAL_MS)
    await run(lanes, 4, monkeypatch)
    due = 11 * INTERVAL_MS + LATE_MS
    after = 12 * INTERVAL_MS + LATE_MS
    assert lanes.offered_at == [start, due, due + 1_000, due + 2_000, after]
    assert len(lanes.answers) == 3


async def test_only_steps_that_were_taken_count(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = Lanes(HandClock())
    clock = await run(lanes, 2, monkeypatch)
    outcomes: list[Outcome | PlimsollError] = [
        Executed(block(1, 1, ()), 1),
        Rejected(FundingNotDue.code, "FundingNotDue", {}),
        ShuttingDown(),
    ]
    for deliver, outcome in zip(lanes.answers, outcomes, strict=True):
        deliver(outcome)
    assert clock.settled == 1
