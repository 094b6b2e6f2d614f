"""Who is let into the gate, and in what order, when more comes than can be verified.

No worker runs here: what waits is looked at, and taken, by hand.
"""

import asyncio

import pytest

from node.adapters.admission_pool import EXPIRED, AdmissionPool
from node.adapters.worker_process import processes_of
from node.capacity.delay_watch import DelayLimits
from node.ports.admission import Admitted, Origin, Passage
from node.types.errors import DeadlineExceeded, Overloaded, PlimsollError, Shed
from node.types.units import Millis
from tests.unit.codec.example_actions import DOMAIN, NOON, RULES

MS = 1_000_000


class HandClock:
    """Time stands still until someone moves it."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def now_ms(self) -> Millis:
        return NOON


class Bench:
    """A pool without workers, and the answers that it gave by itself."""

    def __init__(self, limit: int = 100) -> None:
        self.clock = HandClock()
        self.pool = AdmissionPool(
            DOMAIN,
            RULES,
            self.clock,
            start=processes_of("never.started"),
            workers=1,
            limit=limit,
            delay=DelayLimits(20, 100),
        )
        self.answers: list[tuple[str, Admitted | PlimsollError]] = []

    def submit(
        self,
        name: str,
        origin: int = 1,
        *,
        reduces: bool = False,
        deadline_ns: int = 1 << 60,
        address: int = 0,
    ) -> None:
        """Bring a message by the connection ``origin`` of ``address``."""

        def answer(what: Admitted | PlimsollError) -> None:
            self.answers.append((name, what))

        self.pool.submit(
            name.encode(), answer, Passage(Origin(address, origin), reduces, deadline_ns)
        )

    def refused(self, origin: int = 1, *, reduces: bool = False) -> PlimsollError:
        with pytest.raises(PlimsollError) as refusal:
            self.submit("refused", origin, reduces=reduces)
        assert self.pool.stage.conserved()
        return refusal.value

    def batch(self, work: int) -> list[str]:
        """Take a batch as if a worker had asked for it, and have it answered at once."""
        batch = self.pool._next_batch(work, self.clock.ns)
        self.pool.stage.leave(len(batch))
        assert self.pool.stage.conserved()
        return [message.raw.decode() for message in batch]


@pytest.fixture(autouse=True)
async def _loop() -> None:
    """A pool schedules its work on the running loop."""
    await asyncio.sleep(0)


async def test_what_claims_to_reduce_goes_first_and_leaves_a_quarter() -> None:
    bench = Bench()
    for number in range(20):
        bench.submit(f"o{number}")
        bench.submit(f"r{number}", reduces=True)
    batch = bench.batch(8)
    assert batch == [*(f"r{number}" for number in range(6)), "o0", "o1"]
    assert bench.batch(100)[:14] == [f"r{number}" for number in range(6, 20)]


async def test_long_messages_that_claim_to_reduce_leave_a_quarter_too() -> None:
    bench = Bench()
    for number in range(4):
        bench.submit("r" * 30_000, reduces=True)
        bench.submit(f"o{number}")
    # Two long ones are more than the whole batch by themselves.
    assert bench.batch(16)[1:] == ["o0", "o1", "o2", "o3"]


async def test_origins_take_turns() -> None:
    bench = Bench()
    for number in range(40):
        bench.submit(f"f{number}", origin=1)
    bench.submit("calm", origin=2)
    assert "calm" in bench.batch(9)


async def test_what_nobody_waits_for_is_never_verified() -> None:
    bench = Bench()
    bench.submit("late", deadline_ns=5 * MS)
    bench.submit("ready")
    bench.clock.ns = 5 * MS
    assert bench.batch(10) == ["ready"]
    [(name, error)] = bench.answers
    assert name == "late"
    assert isinstance(error, DeadlineExceeded)
    assert (error.waited_ms, bench.pool.expired) == (5, 1)
    assert bench.pool.stage.refused == {EXPIRED: 1}


async def test_a_late_gate_refuses_what_does_not_reduce() -> None:
    bench = Bench()
    bench.submit("first")
    bench.clock.ns = 121 * MS
    error = bench.refused(origin=2)
    assert isinstance(error, Shed)
    assert error.values == {"queue": "verification", "delay_ms": 121, "retry_after_ms": 101}
    bench.submit("cancel", origin=2, reduces=True)
    assert bench.pool.shed == {"delay": 1}
    assert bench.batch(10) == ["cancel", "first"]
    bench.submit("again", origin=2)


async def test_only_the_connection_that_floods_is_late() -> None:
    bench = Bench(limit=1_000)
    for number in range(500):
        bench.submit(f"f{number}", origin=1)
    for at in range(5, 300, 5):
        bench.clock.ns = at * MS
        bench.submit(f"c{at}", origin=2)
        bench.batch(9)
        if at >= 150:
            assert isinstance(bench.refused(origin=1), Shed)
    assert set(bench.pool.shed) == {"connection_delay"}


async def test_a_full_gate_makes_room_for_what_reduces() -> None:
    bench = Bench(limit=4)
    for number in range(4):
        bench.submit(f"o{number}", origin=1)
    assert isinstance(bench.refused(origin=1), Overloaded)
    for number in range(4):
        bench.submit(f"r{number}", origin=2, reduces=True)
    assert [name for name, _ in bench.answers] == ["o3", "o2", "o1", "o0"]
    assert all(isinstance(error, Shed) for _, error in bench.answers)
    assert isinstance(bench.refused(origin=3), Shed)
    assert isinstance(bench.refused(origin=2, reduces=True), Overloaded)
    # Whoever has less of what all would reduce still finds room.
    bench.submit("mine", origin=3, reduces=True)
    assert bench.answers[-1][0] == "r3"
    assert bench.batch(10) == ["r0", "r1", "r2", "mine"]


async def test_a_full_gate_makes_room_for_who_has_less() -> None:
    bench = Bench(limit=10)
    for number in range(10):
        bench.submit(f"f{number}", origin=1)
    for number in range(4):
        bench.submit(f"c{number}", origin=2)
    assert [name for name, _ in bench.answers] == ["f9", "f8", "f7", "f6"]
    assert isinstance(bench.refused(origin=1), Overloaded)


async def test_an_address_gains_no_turns_by_opening_connections() -> None:
    bench = Bench(limit=1_000)
    for number in range(256):
        bench.submit(f"f{number}", origin=number, address=1)
    for number in range(8):
        bench.submit(f"c{number}", origin=999, address=2)
    assert [name[0] for name in bench.batch(32)].count("c") == 8


async def test_only_the_address_that_floods_is_late() -> None:
    bench = Bench(limit=1_000)
    for number in range(500):
        bench.submit(f"f{number}", origin=number, address=1)
    for at in range(5, 300, 5):
        bench.clock.ns = at * MS
        bench.submit(f"c{at}", origin=999, address=2)
        bench.batch(9)
    with pytest.raises(Shed):
        bench.submit("late", origin=501, address=1)
    assert set(bench.pool.shed) == {"address_delay"}


async def test_a_full_gate_takes_room_from_the_address_that_has_most() -> None:
    bench = Bench(limit=10)
    for number in range(10):
        bench.submit(f"f{number}", origin=number, address=1)
    for number in range(4):
        bench.submit(f"c{number}", origin=999, address=2)
    assert [name[0] for name, _ in bench.answers] == ["f"] * 4
    with pytest.raises(Overloaded):
        bench.submit("more", origin=77, address=1)
    assert bench.pool.stage.conserved()
    assert len(bench.batch(100)) == 10
