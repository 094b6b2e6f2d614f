"""The pool of worker processes: every message is answered once, whatever happens to a worker."""

import asyncio
import errno
import json
import os
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from node.adapters.admission_desk import HUNG_LOOKS, Desk
from node.adapters.admission_pool import AdmissionPool
from node.adapters.worker_process import processes_of
from node.codec.json_actions import MESSAGE_BYTES_MAX, action_to_json
from node.ingress.inline_worker import InlineWorker, start_inline
from node.ports.admission import Admitted
from node.ports.worker import Worker
from node.types.errors import (
    MalformedMessage,
    Overloaded,
    OversizedMessage,
    PlimsollError,
    ShuttingDown,
    TooManyItems,
    Unavailable,
)
from node.types.units import Millis
from tests.unit.codec.example_actions import ACTIONS, DOMAIN, NOON, OWNER, RULES, SIGNING, signed

BODY = action_to_json(signed(ACTIONS["one_order"]), RULES)
GOOD = json.dumps(BODY).encode()
NO_ITEMS = json.dumps({**BODY, "orders": []}).encode()


class WallClock:
    """A real clock for what is measured; the time of day is that of the examples."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def now_ms(self) -> Millis:
        return NOON


def make_pool(**options: Any) -> AdmissionPool:
    settings = {"start": processes_of("node.ingress.admission_process"), "workers": 1, **options}
    return AdmissionPool(DOMAIN, RULES, WallClock(), **settings)


@asynccontextmanager
async def running(pool: AdmissionPool) -> AsyncIterator[AdmissionPool]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(pool.run())
        await pool.ready()
        try:
            yield pool
        finally:
            task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        # Restarts announce themselves to nobody: there is no event to wait for.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_messages_are_answered_each_with_its_own() -> None:
    async with running(make_pool(workers=2)) as pool:
        admitted = await pool.admit(GOOD)
        assert admitted.digest == SIGNING.digest(ACTIONS["one_order"])
        assert admitted.action.signer == OWNER
        raws = [GOOD, b"{", NO_ITEMS] * 60
        answers = await asyncio.gather(*map(pool.admit, raws), return_exceptions=True)
        expected = [Admitted, MalformedMessage, TooManyItems] * 60
        assert [type(answer) for answer in answers] == expected
        assert pool.stage.done == 61
        assert pool.stage.refused == {"rejected": 120}
        assert pool.stage.conserved()
        assert pool.stage.busy_ns > 0


async def test_callbacks_come_in_order_from_one_worker() -> None:
    async with running(make_pool()) as pool:
        answers: list[tuple[int, Admitted | PlimsollError]] = []
        for number in range(200):
            pool.submit(GOOD, lambda answer, n=number: answers.append((n, answer)))  # type: ignore[misc]
            assert pool.stage.conserved()
        assert answers == []
        await until(lambda: len(answers) == 200)
        assert [number for number, _ in answers] == list(range(200))


async def test_what_is_over_the_limit_is_turned_away() -> None:
    async with running(make_pool(limit=3)) as pool:
        held = [asyncio.ensure_future(pool.admit(GOOD)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refusal:
            await pool.admit(GOOD)
        assert (refusal.value.queue, refusal.value.limit) == ("verification", 3)
        assert pool.stage.conserved()
        await asyncio.gather(*held)
        await pool.admit(GOOD)
        assert pool.stage.refused == {"overloaded": 1}
        assert pool.stage.peak_depth == 3


async def test_a_long_message_never_reaches_a_worker() -> None:
    async with running(make_pool()) as pool:
        with pytest.raises(OversizedMessage):
            await pool.admit(b" " * (MESSAGE_BYTES_MAX + 1))
        assert pool.stage.refused == {"oversized": 1}
        assert pool.stage.conserved()


async def test_a_caller_who_gave_up_harms_nobody() -> None:
    async with running(make_pool()) as pool:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.admit(GOOD), timeout=0)
        given_up = asyncio.ensure_future(pool.admit(GOOD))
        await asyncio.sleep(0)
        given_up.cancel()
        assert (await pool.admit(GOOD)).action.signer == OWNER
        assert pool.stage.conserved()


async def test_a_dead_worker_is_replaced_and_its_messages_fail() -> None:
    async with running(make_pool()) as pool:
        await pool.admit(GOOD)
        (pid,) = pool.worker_pids
        os.kill(pid, signal.SIGSTOP)
        held = [asyncio.ensure_future(pool.admit(GOOD)) for _ in range(150)]
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        answers = await asyncio.gather(*held, return_exceptions=True)
        # Two batches were with the worker; what was still here went to its successor.
        assert sum(type(answer) is Unavailable for answer in answers) == 128
        assert sum(type(answer) is Admitted for answer in answers) == 22
        assert pool.worker_pids not in {(), (pid,)}
        assert pool.restarts == 1
        assert pool.stage.refused == {"worker_lost": 128}
        assert pool.stage.conserved()


class LateRead:
    """A worker that is killed after its first answer; what it answered is read only then."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._answers: deque[bytes] = deque()
        self._killed = False
        self.write = worker.write
        self.close = worker.close

    @property
    def pid(self) -> int | None:
        return self._worker.pid

    async def read(self) -> bytes:
        if not self._killed:
            self._answers.append(await self._worker.read())
            assert self.pid is not None
            os.kill(self.pid, signal.SIGKILL)
            self._killed = True
            with suppress(ConnectionError):
                while True:
                    self._answers.append(await self._worker.read())
            # The loop hears of both ends of the pipes in one pass, or in the next.
            await asyncio.sleep(0.05)
        if not self._answers:
            raise ConnectionResetError
        return self._answers.popleft()


def test_an_answer_that_outlives_its_worker_does_not_end_the_gate() -> None:
    """On the loop that nodes run on: its pipes raise where those of asyncio are silent."""
    start = processes_of("node.ingress.admission_process")
    started: list[Worker] = []

    async def start_one_that_dies() -> Worker:
        worker = await start()
        started.append(worker if started else LateRead(worker))
        return started[-1]

    async def lose_it() -> None:
        async with running(make_pool(start=start_one_that_dies)) as pool:
            held = [asyncio.ensure_future(pool.admit(GOOD)) for _ in range(300)]
            answers = await asyncio.gather(*held, return_exceptions=True)
            assert {type(answer) for answer in answers} == {Admitted, Unavailable}
            assert type(await pool.admit(GOOD)) is Admitted
            assert pool.restarts == 1
            assert pool.stage.conserved()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(lose_it())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_worker_ignores_what_a_terminal_or_supervisor_sends_to_all(number: int) -> None:
    async with running(make_pool()) as pool:
        await pool.admit(GOOD)
        (pid,) = pool.worker_pids
        os.kill(pid, number)
        assert (await pool.admit(GOOD)).action.signer == OWNER
        assert pool.worker_pids == (pid,)
        assert pool.restarts == 0


async def test_stopping_answers_what_is_held_and_leaves_no_process() -> None:
    pool = make_pool()
    async with running(pool):
        await pool.admit(GOOD)
        (pid,) = pool.worker_pids
        os.kill(pid, signal.SIGSTOP)
        held = [asyncio.ensure_future(pool.admit(GOOD)) for _ in range(150)]
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGCONT)
    answers = await asyncio.gather(*held, return_exceptions=True)
    assert all(isinstance(answer, Admitted | Unavailable) for answer in answers)
    assert any(isinstance(answer, ShuttingDown) for answer in answers)
    assert pool.stage.held() == 0
    assert pool.stage.conserved()
    assert not is_alive(pid)
    with pytest.raises(ShuttingDown):
        await pool.admit(GOOD)
    assert pool.stage.conserved()


async def test_a_worker_that_hangs_does_not_hold_up_the_end() -> None:
    pool = make_pool()
    async with running(pool):
        await pool.admit(GOOD)
        (pid,) = pool.worker_pids
        os.kill(pid, signal.SIGSTOP)
        held = asyncio.ensure_future(pool.admit(GOOD))
        await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await held
    assert not is_alive(pid)


async def test_a_worker_that_hangs_is_told_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.adapters.admission_pool.LOOK_EVERY_S", 0.05)
    async with running(make_pool()) as pool:
        await pool.admit(GOOD)
        assert not pool.silent
        (pid,) = pool.worker_pids
        os.kill(pid, signal.SIGSTOP)
        held = asyncio.ensure_future(pool.admit(GOOD))
        await until(lambda: pool.silent)
        with pytest.raises(Unavailable):
            await held
        assert (await pool.admit(GOOD)).action.signer == OWNER
        assert not pool.silent
        assert not is_alive(pid)
        assert pool.restarts == 1


def test_only_looks_at_what_is_owed_count() -> None:
    desk = Desk(InlineWorker())
    for _ in range(100):
        desk.look()
    assert not desk.silent
    desk.owed.append([])
    # It may still have to begin.
    for _ in range(HUNG_LOOKS):
        desk.look()
    assert (desk.silent, desk.hung) == (True, False)
    assert desk.answered() == []
    desk.owed.append([])
    for _ in range(HUNG_LOOKS - 1):
        desk.look()
    assert (desk.silent, desk.hung) == (True, False)
    desk.look()
    assert desk.hung


async def test_a_module_that_cannot_start_is_tried_again_with_pauses() -> None:
    pool = make_pool(start=processes_of("node.ingress.no_such_module"))
    async with running(pool):
        held = asyncio.ensure_future(pool.admit(GOOD))
        await until(lambda: pool.restarts >= 2)
        assert pool.stage.conserved()
        assert pool.restarts < 10
    with pytest.raises(Unavailable):
        await held


async def test_a_worker_that_cannot_be_started_again_is_tried_later() -> None:
    start = processes_of("node.ingress.admission_process")
    refusals = [OSError(errno.ENOMEM, "out of memory"), BlockingIOError(), FileNotFoundError()]
    started = 0

    async def start_now_and_then() -> Worker:
        nonlocal started
        if started and refusals:
            raise refusals.pop()
        started += 1
        return await start()

    async with running(make_pool(start=start_now_and_then)) as pool:
        await pool.admit(GOOD)
        (pid,) = pool.worker_pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not refusals)
        assert type(await pool.admit(GOOD)) is Admitted
        assert pool.restarts == 4
        assert pool.stage.conserved()


async def test_the_loop_itself_can_be_the_worker() -> None:
    async with running(make_pool(start=start_inline)) as pool:
        assert pool.worker_pids == ()
        admitted = await pool.admit(GOOD)
        assert admitted.action.signer == OWNER
        with pytest.raises(MalformedMessage):
            await pool.admit(b"")
        assert pool.stage.conserved()
