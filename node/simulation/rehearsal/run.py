"""One rehearsal: the whole node, the bundled clients and L1 on a simulated clock, to the last root.

Nothing of the node is replaced but what it runs on (``node.app.platform``): stations, lanes, gate,
settlement and verifier are those of ``plimsoll run``. The same script gives the same log.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from node.adapters.chain_reader import RollupReader
from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.app.config import NodeConfig
from node.app.node import Node
from node.app.stats import final_stats_of
from node.client.l1 import L1Account
from node.simulation.flow.config import FlowConfig
from node.simulation.keys import dev_keys
from node.simulation.rehearsal.chain import DirectChain, SimulatedL1
from node.simulation.rehearsal.flow import scripted_source
from node.simulation.rehearsal.full_batch import REPORTERS
from node.simulation.rehearsal.script import Script
from node.simulation.rehearsal.session import DirectSession
from node.simulation.rehearsal.stage import lay_ground, platform_of
from node.simulation.rehearsal.virtual_loop import VirtualClock, VirtualLoop
from node.simulation.replay.driver import Driver
from node.simulation.replay.funding import fund
from node.simulation.replay.oracle import OracleFeed
from node.simulation.replay.outcomes import Outcomes, ReplayReport
from node.simulation.replay.pace import FASTEST, Pace
from node.simulation.replay.sources import Source
from node.simulation.replay.trader import Trader
from node.types.ids import Address
from node.types.marks import Standing
from node.verifier.service import InPlace, verify

START_MS: Final = 1_760_000_000_000
"""The Unix time at which every rehearsal begins: the log of one depends on nothing else."""

CONNECTIONS: Final = 8
WATCH_S: Final = 0.5
PAYER: Final = 1

Tell = Callable[[float, float], None]


class Moment(msgspec.Struct, frozen=True):
    """The node at one moment, in seconds of the script; those of its lead are below zero.

    ``in_flight`` is the node's own count of its transactions, ``in_pool`` is L1's.
    """

    at_s: float
    gate: str | None
    unposted_batches: int
    unposted_bytes: int
    in_flight: int
    in_pool: int
    oldest_unposted_s: float
    fee: int
    mark_age_s: float
    held: int
    liquidations: int


class Rehearsal(msgspec.Struct, frozen=True):
    """What came of it. ``verdict`` is empty where the verifier found the same roots.

    ``seconds`` were played after ``lead_s`` in which what waits for L1 at the start gathered.
    """

    name: str
    seconds: float
    lead_s: float
    clients: ReplayReport
    stats: dict[str, Any]
    moments: tuple[Moment, ...]
    gate_closed_s: dict[str, float]
    refused_by_stage: dict[str, dict[str, int]]
    reorgs: int
    roots: dict[str, str]
    verdict: str
    conserved: bool


class SilencedOracle(OracleFeed):
    """Tells nothing while the script says so."""

    def __init__(self, session: DirectSession, clock: VirtualClock, script: Script) -> None:
        super().__init__(session, dev_keys("reporter", REPORTERS), clock)
        self._script = script
        self.began_s: float | None = None

    def _send(self) -> None:
        if self.began_s is not None:
            elapsed_s = asyncio.get_running_loop().time() - self.began_s
            step = int(elapsed_s / self._script.step_s)
            if step < len(self._script.oracle) and not self._script.oracle[step]:
                return
        super()._send()


def rehearse(script: Script, config: NodeConfig, clients: FlowConfig, tell: Tell) -> Rehearsal:
    """Play ``script``; ``tell`` hears how many of its seconds are over.

    Raises what a node raises, and ``ConfigInvalid``.
    """
    with (
        tempfile.TemporaryDirectory(prefix="plimsoll-rehearsal-") as folder,
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        placed = msgspec.structs.replace(config, data=Path(folder) / "data")
        return runner.run(_rehearse(script, placed, clients, tell))


async def _rehearse(
    script: Script, config: NodeConfig, clients: FlowConfig, tell: Tell
) -> Rehearsal:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    clock = VirtualClock(loop, START_MS)
    l1 = SimulatedL1(script, clock, config.batcher.data_bytes_max)
    base = await lay_ground(config, l1, platform_of(script, loop, clock))
    try:
        node = Node(config, base)
        play = _Play(script, node, l1, clients, tell)
        async with asyncio.TaskGroup() as group:
            mining = group.create_task(l1.run())
            running = group.create_task(node.run())
            report = await play.run()
            l1.heal()
            node.stop()
            await running
            mining.cancel()
        return await play.conclude(report)
    finally:
        await base.close()


class _Play:
    """The clients of one rehearsal, and who watches."""

    def __init__(
        self, script: Script, node: Node, l1: SimulatedL1, clients: FlowConfig, tell: Tell
    ) -> None:
        self._script = script
        self._node = node
        self._l1 = l1
        self._tell = tell
        self._source = scripted_source(script, clients, node.base.rules)
        self._moments: list[Moment] = []
        self._began_s = 0.0

    async def run(self) -> ReplayReport:
        """Fund and open, then play the script."""
        await self._node.serving.wait()
        async with aiohttp.ClientSession() as http:
            sessions = [
                DirectSession(self._node, http, f"client {place}") for place in range(CONNECTIONS)
            ]
            teller = DirectSession(self._node, http, "oracle")
            clock = self._node.base.clock
            assert isinstance(clock, VirtualClock)
            oracle = SilencedOracle(teller, clock, self._script)
            return await self._play(sessions, oracle)

    async def _play(self, sessions: list[DirectSession], oracle: SilencedOracle) -> ReplayReport:
        node, source, outcomes = self._node, self._source, Outcomes()
        await self._fund(sessions[0], source)
        traders = [
            Trader(key, sessions[place % len(sessions)])
            for place, key in enumerate(source.accounts)
        ]
        clock = node.base.clock
        driver = Driver(traders, oracle, outcomes, clock)
        await oracle.first(source.first_prices)
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(oracle.run())
            await driver.play(source.opening, Pace(FASTEST, 1, clock.now_ns))
            await self._settle()
            self._begin(oracle)
            watching = group.create_task(self._watch())
            await driver.play(source.events, Pace(1.0, 1, clock.now_ns))
            watching.cancel()
            telling.cancel()
        outcomes.oracle_rounds = oracle.rounds
        return outcomes.report(self._elapsed_s())

    async def _fund(self, session: DirectSession, source: Source) -> None:
        domain = self._node.base.domain
        payer = await L1Account.open(
            DirectChain(self._l1), KeySigner(dev_key(PAYER)), Address(domain.rollup),
            domain.chain_id,
        )  # fmt: skip
        deposits = zip(source.accounts, source.deposits, strict=True)
        await fund(session, payer, {key.address: amount for key, amount in deposits})

    async def _settle(self) -> None:
        """Let the opening be posted: of a thin flow it would be a backlog of many batches."""
        reached = self._node.standings.reached
        await asyncio.sleep(WATCH_S)
        self._node.batcher.flush()
        await asyncio.sleep(WATCH_S)
        sealed = reached[Standing.SEALED]
        while reached[Standing.POSTED] < sealed:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(WATCH_S)

    def _begin(self, oracle: SilencedOracle) -> None:
        """Let the script's time begin."""
        self._began_s = oracle.began_s = asyncio.get_running_loop().time()
        self._l1.begin()

    def _elapsed_s(self) -> float:
        return asyncio.get_running_loop().time() - self._began_s

    async def _watch(self) -> None:
        while True:
            self._moments.append(self._moment())
            self._tell(min(self._elapsed_s(), self._script.seconds), self._script.seconds)
            await asyncio.sleep(WATCH_S)

    def _moment(self) -> Moment:
        node = self._node
        pressure, state = node.settlement.pressure, node.base.state
        now_ms = node.base.clock.now_ms()
        return Moment(
            at_s=round(self._elapsed_s() - self._script.lead_s, 3),
            gate=node.sequencer.gate,
            unposted_batches=node.standings.unposted,
            unposted_bytes=pressure.data_bytes,
            in_flight=node.settlement.in_flight,
            in_pool=len(self._l1.devnet.pool),
            oldest_unposted_s=pressure.age_ms / 1_000,
            fee=int(state.fee),
            mark_age_s=max(market.mark_age(now_ms) for market in state.markets) / 1_000,
            held=sum(stage.held() for stage in node.capacity.stages),
            liquidations=node.tally.liquidations,
        )

    async def conclude(self, clients: ReplayReport) -> Rehearsal:
        """Rebuild everything from L1 alone, and tell what came of it."""
        node = self._node
        chain = DirectChain(self._l1)
        reader = RollupReader(chain, Address(node.base.domain.rollup), from_block=0)
        verdict, _ = await verify(reader, InPlace(), lambda _done, _of: None)
        stats = final_stats_of(node, b"")
        roots = {
            "sequencer": stats["roots"]["sequencer"],
            "verifier": "0x" + (verdict.roots[-1].hex() if verdict.roots else ""),
        }
        closed = Counter(moment.gate for moment in self._moments if moment.gate is not None)
        return Rehearsal(
            name=self._script.name,
            seconds=self._script.seconds - self._script.lead_s,
            lead_s=self._script.lead_s,
            clients=clients,
            stats=msgspec.to_builtins(stats),
            moments=tuple(self._moments),
            gate_closed_s={cause: count * WATCH_S for cause, count in closed.items()},
            refused_by_stage={
                stage.name: dict(stage.refused) for stage in node.capacity.stages if stage.refused
            },
            reorgs=self._l1.reorgs,
            roots=roots,
            verdict="" if verdict.difference is None else repr(verdict.difference),
            conserved=node.capacity.all_conserved,
        )
