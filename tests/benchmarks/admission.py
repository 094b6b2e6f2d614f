"""How fast signed orders are admitted, beside the ordinary way to check them in Python.

The ordinary way is eth_account's ``encode_typed_data`` and ``recover_message``, given the document
ready made, on one core; a single order is a flat struct there, the quickest that it can be. Ours
reads the JSON body, validates it, hashes and recovers, and answers with the action in ticks and
lots: in this process (``Admitter``, one core) and through the pool of one worker
(``AdmissionPool``), where this process feeds and the worker checks, so two cores share.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from eth_account import Account
from eth_account.messages import encode_typed_data

from node.adapters.admission_pool import AdmissionPool
from node.adapters.system_clock import SystemClock
from node.adapters.worker_process import processes_of
from node.ingress.admission import Admitter
from node.ports.admission import Admitted
from node.types.errors import PlimsollError
from node.types.units import Millis
from tests.benchmarks.admission_tape import (
    Document,
    actions,
    bodies,
    flat_documents,
    readable_documents,
)
from tests.benchmarks.rounds import per_second, rate_ratios, seconds_of
from tests.examples import ALICE, DOMAIN, RULES, START_MS

SEED: Final = 20_190_523
ORDERS: Final = 4_000
PLAIN_ORDERS: Final = 600
ROUNDS: Final = 5
BULK: Final = 20

PLAIN: Final = "eth-account"
IN_PROCESS: Final = "Admitter"
POOLED: Final = "AdmissionPool, 1 worker"


class AdmissionSpeed(msgspec.Struct, frozen=True):
    """Orders a second, as the median of the rounds, in messages of ``orders_per_message``.

    ``ratio`` is this speed over that of eth-account with single orders, between ``ratio_low`` and
    ``ratio_high``.
    """

    path: str
    orders_per_message: int
    orders_per_s: int
    ratio: float
    ratio_low: float
    ratio_high: float


class Contender(msgspec.Struct, frozen=True):
    """One way to admit ``orders`` orders, in messages of ``orders_per_message``."""

    path: str
    orders_per_message: int
    orders: int
    seconds: Callable[[], float]


def measure_admission(
    orders: int = ORDERS, plain_orders: int = PLAIN_ORDERS, rounds: int = ROUNDS, seed: int = SEED
) -> list[AdmissionSpeed]:
    """Return two rows for each path, single orders and bulks; eth-account's are the first.

    ``plain_orders`` go the ordinary way, which takes long enough with fewer.
    """
    singles = actions(seed, orders, 1)
    bulks = actions(seed, max(1, orders // BULK), BULK)
    with asyncio.Runner() as runner:
        pool = RunningPool(runner, orders)
        try:
            contenders = [
                plain_contender(flat_documents(singles[:plain_orders]), 1),
                plain_contender(readable_documents(bulks[: max(1, plain_orders // BULK)]), BULK),
                *_ours(pool, bodies(singles), 1),
                *_ours(pool, bodies(bulks), BULK),
            ]
            return _compare(contenders, rounds)
        finally:
            pool.close()


class _TapeClock(SystemClock):
    """Measures for real; by its time of day no order of the tape has expired."""

    def now_ms(self) -> Millis:
        return START_MS


class RunningPool:
    """A pool of one worker, on an event loop that runs only while it is measured."""

    def __init__(self, runner: asyncio.Runner, limit: int) -> None:
        self._runner = runner
        runner.run(self._start(limit))

    async def _start(self, limit: int) -> None:
        self._pool = AdmissionPool(
            DOMAIN,
            RULES,
            _TapeClock(),
            start=processes_of("node.ingress.admission_process"),
            workers=1,
            limit=limit,
        )
        self._task = asyncio.create_task(self._pool.run())
        await self._pool.ready()

    def admit(self, raws: Sequence[bytes]) -> None:
        """Admit all of ``raws``, as fast as the pool takes them."""
        self._runner.run(self._admit(raws))

    async def _admit(self, raws: Sequence[bytes]) -> None:
        answered = asyncio.Event()
        admitted = 0

        def answer(what: Admitted | PlimsollError) -> None:
            nonlocal admitted
            assert isinstance(what, Admitted), what
            admitted += 1
            if admitted == len(raws):
                answered.set()

        for raw in raws:
            self._pool.submit(raw, answer)
        await answered.wait()

    def close(self) -> None:
        """End the worker."""
        self._runner.run(self._stop())

    async def _stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


def plain_contender(documents: Sequence[Document], orders: int) -> Contender:
    """Return the ordinary way to check ``documents``, each of so many orders."""

    def check() -> None:
        for document in documents:
            signable = encode_typed_data(full_message=document.content)
            signer = Account.recover_message(signable, signature=document.signature)
            assert bytes.fromhex(signer[2:]) == ALICE.address

    return Contender(PLAIN, orders, len(documents) * orders, lambda: seconds_of(check))


def _ours(pool: RunningPool, raws: Sequence[bytes], orders: int) -> list[Contender]:
    admitter = Admitter(DOMAIN, RULES)

    def check() -> None:
        for raw in raws:
            assert admitter.admit(raw).action.signer == ALICE.address

    count = len(raws) * orders
    return [
        Contender(IN_PROCESS, orders, count, lambda: seconds_of(check)),
        Contender(POOLED, orders, count, lambda: seconds_of(lambda: pool.admit(raws))),
    ]


def _compare(contenders: Sequence[Contender], rounds: int) -> list[AdmissionSpeed]:
    for contender in contenders:
        contender.seconds()  # warms it up, and shows that it admits everything
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for contender, taken in zip(contenders, seconds, strict=True):
            taken.append(contender.seconds())
    base, base_seconds = contenders[0], seconds[0]
    rows = []
    for contender, taken in zip(contenders, seconds, strict=True):
        ratio = rate_ratios(contender.orders, taken, base.orders, base_seconds)
        rows.append(
            AdmissionSpeed(
                contender.path,
                contender.orders_per_message,
                per_second(contender.orders, taken),
                ratio=ratio.middle,
                ratio_low=ratio.low,
                ratio_high=ratio.high,
            )
        )
    return rows
