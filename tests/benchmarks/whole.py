"""How fast the whole node is: WebSocket, verified, fsynced, matched, margined, acknowledged.

A real daemon on a devnet of its own, its accounts funded over L1, its marks kept fresh, its batches
posted all the while. The load comes from another process on the same machine, whose cores they
share. The closed loop finds the rate of saturation; the open loop, at half of that rate, how long
an answer takes from when its request was meant to be sent. Beside it, in the same rounds but while
the node rests, runs the ordinary way to check signed orders alone, on one core: see
``tests.benchmarks.admission``. All of it twice: by a node as it is by default, and by one whose
children leave a core to its loop (``spare_core``).
"""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import time_ns
from typing import Final

import msgspec

from node.adapters.chain_process import free_port
from node.adapters.child_environment import SOURCE_ROOT
from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.system_clock import SystemClock
from node.client.l1 import L1Account
from node.client.session import Session, connect
from node.client.wallet import Wallet
from node.simulation.demo.child import Child
from node.simulation.keys import dev_keys
from node.simulation.replay.funding import fund
from node.simulation.replay.oracle import OracleFeed
from node.types.errors import NothingToCancel
from node.types.ids import Address
from node.types.units import Millis, Money
from tests.benchmarks.admission import PLAIN, plain_contender
from tests.benchmarks.admission_tape import actions, flat_documents
from tests.benchmarks.rounds import per_second, rate_ratios
from tests.benchmarks.whole_load import Outcome, Plan
from tests.benchmarks.whole_tape import MARKS, frames, placements

PATHS: Final = {
    False: "plimsoll, the whole path",
    True: "plimsoll, the whole path, a core spared",
}
"""By whether the node's children leave a core to its loop."""
SEED: Final = 20_190_523
BULK: Final = 20
ACCOUNTS: Final = 300
"""Enough that none reaches its limit of open orders before the book is cleared."""
FUNDED: Final = Money(100_000_000_000)
PLAIN_ORDERS: Final = 600
ROUNDS: Final = 5
OPEN_SHARE: Final = 0.5
OPEN_SECONDS: Final = 3.0
EXPIRES_MS: Final = 3_600_000
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 30.0
QUIET_POLL_S: Final = 0.1

CONFIG: Final = SOURCE_ROOT / "configs" / "devnet.toml"


class WholeSpeed(msgspec.Struct, frozen=True):
    """Orders a second at saturation, as the median of the rounds.

    ``ratio`` is this speed over eth-account's, between ``ratio_low`` and ``ratio_high``.
    ``ack_p*_ms`` were found with ``offered_per_s`` orders. ``load_cpu`` is what the generator took
    of one core at saturation.
    """

    path: str
    orders_per_message: int
    orders_per_s: int
    ratio: float
    ratio_low: float
    ratio_high: float
    offered_per_s: int | None = None
    ack_p50_ms: float | None = None
    ack_p99_ms: float | None = None
    ack_p999_ms: float | None = None
    load_cpu: float | None = None


class WholeSize(msgspec.Struct, frozen=True):
    """How much is sent: orders of a saturated run by orders per message, accounts, rounds."""

    orders: dict[int, int]
    accounts: int = ACCOUNTS
    plain_orders: int = PLAIN_ORDERS
    rounds: int = ROUNDS
    open_seconds: float = OPEN_SECONDS


WINDOW: Final = 64
WINDOW_LEAST: Final = 8
"""Actions without an answer on a connection, to begin with: single orders, and the largest bulks.

Where a node is slow they are more than it lets wait, and the generator learns it from refusals."""
REFUSED_MAX: Final = 0.05
"""A node at saturation sheds a little; a run that is refused more than that measures refusals."""

FULL_SIZE: Final = WholeSize({1: 10_000, BULK: 30_000})


class NodeUnderLoad:
    """A funded node, and the wallets of its accounts."""

    def __init__(
        self, session: Session, port: int, wallets: Sequence[Wallet], random: Random
    ) -> None:
        self._session = session
        self._port = port
        self._wallets = wallets
        self._random = random

    async def saturate(self, actions: int, orders: int) -> Outcome:
        """Send ``actions`` actions of ``orders`` orders, the next as soon as one is answered."""
        return await self._load(actions, orders, [])

    async def load_at(self, rate: float, seconds: float, orders: int) -> Outcome:
        """Send ``rate`` actions a second at random times, whatever becomes of them."""
        times, at = [], 0.0
        while (at := at + self._random.expovariate(rate)) < seconds:
            times.append(at)
        return await self._load(len(times), orders, times)

    async def quiet(self) -> None:
        """Wait until everything is on L1, so that the node has nothing left to do."""
        while (await self._session.get("/stats"))["l1"]["unposted_batches"]:  # noqa: ASYNC110
            await asyncio.sleep(QUIET_POLL_S)

    async def _load(self, actions: int, orders: int, times: list[float]) -> Outcome:
        drawn = placements(self._random, self._wallets, actions, orders, _expiry())
        window = max(WINDOW_LEAST, WINDOW // orders)
        plan = Plan(self._port, frames(drawn, self._session.rules), window=window, times_s=times)
        outcome = await _generate(plan)
        assert outcome.answered == actions, f"{actions - outcome.answered} were not answered"
        done = actions - outcome.faulty
        assert done >= (1 - REFUSED_MAX) * actions, f"{outcome.faulty} of {actions} were refused"
        await self._clear()
        # What was refused was not done: the time counts as that of as many as were.
        return msgspec.structs.replace(outcome, seconds=outcome.seconds * actions / done)

    async def _clear(self) -> None:
        """Let every account cancel what rests, so that each run begins with an empty book."""
        cancels = [wallet.cancel_all(expires=_expiry()) for wallet in self._wallets]
        sent = [self._session.send(cancel) for cancel in cancels]
        for answer in await asyncio.gather(*sent, return_exceptions=True):
            assert isinstance(answer, dict | NothingToCancel), answer


def measure_whole(size: WholeSize = FULL_SIZE, seed: int = SEED) -> list[WholeSpeed]:
    """Return for each node eth-account's row, then one for each number of orders per message."""
    return [row for spare in PATHS for row in asyncio.run(_measure(size, seed, spare_core=spare))]


async def _measure(size: WholeSize, seed: int, *, spare_core: bool) -> list[WholeSpeed]:
    plain = plain_contender(flat_documents(actions(seed, size.plain_orders, 1)), 1)
    plain.seconds()
    plain_seconds: list[float] = []
    outcomes: dict[int, list[Outcome]] = {orders: [] for orders in size.orders}
    with TemporaryDirectory() as folder:
        config = _config(Path(folder), spare_core=spare_core)
        async with _node_under_load(config, size.accounts, Random(seed)) as node:
            for orders, total in size.orders.items():  # A warm-up.
                await node.saturate(max(1, total // orders // 4), orders)
            for _ in range(size.rounds):
                await node.quiet()
                plain_seconds.append(plain.seconds())
                for orders, total in size.orders.items():
                    outcomes[orders].append(await node.saturate(total // orders, orders))
            rows = [
                WholeSpeed(PLAIN, 1, per_second(plain.orders, plain_seconds), 1.0, 1.0, 1.0),
                *(
                    _row(
                        PATHS[spare_core],
                        orders,
                        found,
                        size.orders[orders],
                        plain.orders,
                        plain_seconds,
                    )
                    for orders, found in outcomes.items()
                ),
            ]
            return [rows[0], *[await _with_delays(node, row, size) for row in rows[1:]]]


def _row(
    path: str,
    orders: int,
    outcomes: Sequence[Outcome],
    total: int,
    plain_orders: int,
    plain_seconds: Sequence[float],
) -> WholeSpeed:
    sent = total // orders * orders
    seconds = [outcome.seconds for outcome in outcomes]
    ratio = rate_ratios(sent, seconds, plain_orders, plain_seconds)
    load_cpu = median(outcome.cpu_s / outcome.seconds for outcome in outcomes)
    return WholeSpeed(
        path,
        orders,
        per_second(sent, seconds),
        ratio=ratio.middle,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        load_cpu=round(load_cpu, 3),
    )


async def _with_delays(node: NodeUnderLoad, row: WholeSpeed, size: WholeSize) -> WholeSpeed:
    """Return ``row`` with the delays found at half of its speed."""
    await node.quiet()
    rate = row.orders_per_s / row.orders_per_message * OPEN_SHARE
    outcome = await node.load_at(rate, size.open_seconds, row.orders_per_message)
    return msgspec.structs.replace(
        row,
        offered_per_s=round(rate * row.orders_per_message),
        ack_p50_ms=_quantile_ms(outcome.ack_s, 0.5),
        ack_p99_ms=_quantile_ms(outcome.ack_s, 0.99),
        ack_p999_ms=_quantile_ms(outcome.ack_s, 0.999),
    )


def _quantile_ms(ordered_s: Sequence[float], share: float) -> float:
    """Return the nearest-rank quantile of seconds in order of size, in milliseconds."""
    place = max(0, -int(-share * len(ordered_s) // 1) - 1)
    return round(ordered_s[place] * 1_000, 3)


def _config(folder: Path, *, spare_core: bool) -> Path:
    """Return the devnet's configuration, copied into ``folder``, with that key as wanted."""
    shared, spared = "spare_core = false ", "spare_core = true "
    text = CONFIG.read_text(encoding="utf-8")
    assert text.count(shared) == 1
    shutil.copy(CONFIG.with_name("rules.toml"), folder)
    config = folder / CONFIG.name
    config.write_text(text.replace(shared, spared) if spare_core else text, encoding="utf-8")
    return config


@asynccontextmanager
async def _node_under_load(
    config: Path, accounts: int, random: Random
) -> AsyncIterator[NodeUnderLoad]:
    """Give a node with funded accounts; it is stopped in order afterwards."""
    folder = config.parent
    ready = folder / "ready.json"
    arguments = ["run", "--embedded", "--config", str(config), "--port", "0"]
    arguments += ["--rpc", f"http://127.0.0.1:{free_port()}"]
    arguments += ["--data", str(folder / "data"), "--ready-file", str(ready)]
    async with Child("node", arguments, folder) as child:
        found = await child.file(ready, READY_WITHIN_S)
        async with connect(found["url"]) as session, asyncio.TaskGroup() as group:
            oracle = OracleFeed(session, dev_keys("reporter", 3), SystemClock())
            await oracle.first(MARKS)
            telling = group.create_task(oracle.run())
            wallets = [session.wallet(key.secret) for key in dev_keys("trader", accounts)]
            await _fund(session, found["rpc"], [wallet.account for wallet in wallets])
            port = int(found["url"].rpartition(":")[2])
            yield NodeUnderLoad(session, port, wallets, random)
            telling.cancel()
        await child.stop(STOP_WITHIN_S)


async def _fund(session: Session, rpc: str, accounts: Sequence[Address]) -> None:
    chain = L1Chain(rpc)
    try:
        payer = await L1Account.open(chain, KeySigner(dev_key(1)), Address(session.domain.rollup))
        await fund(session, payer, dict.fromkeys(accounts, FUNDED))
    finally:
        await chain.close()


async def _generate(plan: Plan) -> Outcome:
    """Let the generator, in its own process, carry out ``plan``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.whole_load"),
        cwd=SOURCE_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate(msgspec.msgpack.encode(plan))
    assert process.returncode == 0, "the load generator failed; see above"
    return msgspec.msgpack.decode(answer, type=Outcome)


def _expiry() -> Millis:
    return Millis(time_ns() // 1_000_000 + EXPIRES_MS)
