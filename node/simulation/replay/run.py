"""One replay against a running node, from connecting to the last answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

import msgspec
from rich.console import Console

from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.system_clock import SystemClock
from node.client.l1 import L1Account
from node.client.session import Session, connect
from node.simulation.keys import dev_keys
from node.simulation.replay.driver import Driver
from node.simulation.replay.funding import PAYER, fund, is_known
from node.simulation.replay.oracle import OracleFeed
from node.simulation.replay.outcomes import Outcomes, ReplayReport
from node.simulation.replay.pace import FASTEST, Pace
from node.simulation.replay.sources import Source
from node.simulation.replay.trader import Trader
from node.simulation.replay.watch import Watch
from node.types.ids import Address
from node.types.rules import Rules
from node.types.units import Money

REPORTERS = 3


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How a source is played.

    ``speed``: a multiple of real time, or ``FASTEST``; then at most ``window`` actions wait for
    their answer. ``rpc``: the devnet to fund new accounts on; empty: they must have money.
    """

    url: str
    speed: float = 1.0
    connections: int = 4
    window: int = 256
    rpc: str = ""


async def run_replay(
    load: Load, source_of: Callable[[Rules], Source], console: Console
) -> ReplayReport:
    """Play the source that ``source_of`` makes for the node's rules, and return what came of it.

    Raises what connecting, funding and the first oracle round raise; afterwards every refusal is
    counted, none is raised.
    """
    clock, outcomes = SystemClock(), Outcomes()
    async with _sessions(load.url, load.connections + 1) as (*sessions, oracle_session):
        source = source_of(sessions[0].rules)
        known = await _fund(load.rpc, sessions[0], source, console)
        oracle = OracleFeed(oracle_session, dev_keys("reporter", REPORTERS), clock)
        traders = [
            Trader(key, sessions[place % len(sessions)])
            for place, key in enumerate(source.accounts)
        ]
        for trader, key in zip(traders, source.accounts, strict=True):
            if key.address in known:
                await trader.resume(clock.now_ms())
        driver = Driver(traders, oracle, outcomes, clock)
        await oracle.first(source.first_prices)
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(oracle.run()),
                group.create_task(Watch(console, driver, source.total).run()),
            ]
            # One by one: the leveraged buy from quotes that must stand by then.
            await driver.play(source.opening, Pace(FASTEST, window=1))
            started_s = perf_counter()
            await driver.play(source.events, Pace(load.speed, load.window))
            seconds = perf_counter() - started_s
            for task in beside:
                task.cancel()
        outcomes.oracle_rounds = oracle.rounds
        return outcomes.report(seconds)


@asynccontextmanager
async def _sessions(url: str, count: int) -> AsyncIterator[Sequence[Session]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connect(url)) for _ in range(count)]


async def _fund(rpc: str, session: Session, source: Source, console: Console) -> frozenset[Address]:
    """Fund the accounts that the exchange has never seen; return those that it had seen."""
    amounts: dict[Address, Money] = {}
    known: set[Address] = set()
    for key, amount in zip(source.accounts, source.deposits, strict=True):
        if await is_known(session, key.address):
            known.add(key.address)
        else:
            amounts[key.address] = amount
    if amounts and rpc:
        console.print(f"Depositing for {len(amounts)} accounts on L1 …", highlight=False)
        chain = L1Chain(rpc)
        try:
            rollup, chain_id = Address(session.domain.rollup), session.domain.chain_id
            payer = await L1Account.open(chain, KeySigner(dev_key(PAYER)), rollup, chain_id)
            await fund(session, payer, amounts)
        finally:
            await chain.close()
    return frozenset(known)
