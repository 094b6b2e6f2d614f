"""The node that is ramped: found on this machine or started for it, its accounts funded."""

import asyncio
import ipaddress
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from node.adapters.chain_process import free_port
from node.adapters.child_environment import SOURCE_ROOT
from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.system_clock import SystemClock
from node.capacity.telemetry import Telemetry
from node.client.l1 import L1Account
from node.client.session import Session, connect
from node.simulation.demo.child import Child
from node.simulation.keys import dev_keys
from node.simulation.ramp.generator import ROLE
from node.simulation.ramp.messages import Mix, Setup
from node.simulation.ramp.wave import Wave, house_key, small_keys
from node.simulation.replay.funding import PAYER, fund, is_known
from node.simulation.replay.oracle import OracleFeed
from node.types.errors import ConfigInvalid
from node.types.ids import Address
from node.types.units import Money, Ticks

CONFIG: Final = SOURCE_ROOT / "configs" / "devnet.toml"
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 60.0
REPORTERS: Final = 3

FUNDED: Final = Money(100_000_000_000)
HOUSE_FUNDED: Final = Money(10_000_000_000_000)
SMALL_FUNDED: Final = Money(10_000_000_000)

MARKS: Final = (Ticks(600_000), Ticks(300_000))
"""The prices at rest, for the markets of configs/rules.toml: 60,000.0 and 3,000.00."""

SETTLED_POLL_S: Final = 0.25
SETTLED_WITHIN_S: Final = 30.0
UNPOSTED_MAX: Final = 16
"""Batches; a quarter of those at which the gate closes in configs/devnet.toml."""
UNWRITTEN_MAX: Final = 8
"""Blocks that the history may lack."""


def require_loopback(url: str) -> None:
    """Raise ``ConfigInvalid`` unless ``url`` is of this machine.

    A ramp drives a node past what it can carry: to anyone else's it would be an attack.
    """
    host = urlsplit(url).hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        fault = f"node: {url}: only a node of this machine (127.0.0.1, localhost) may be ramped"
        raise ConfigInvalid(faults=(fault,))


class Target:
    """A funded node with fresh marks."""

    def __init__(
        self, session: Session, url: str, oracle: OracleFeed, pid: int | None, folder: Path | None
    ) -> None:
        self.session = session
        self.url = url
        self.oracle = oracle
        self.pid = pid
        self.data = folder
        """The data folder of a node that was started here; None of one that was found."""
        self._wave: Wave | None = None

    @property
    def port(self) -> int:
        """Return where the node listens."""
        return urlsplit(self.url).port or 80

    async def telemetry(self) -> Telemetry:
        """Return all of the node's counters now. Raises ``NotFound`` of a node without them."""
        return msgspec.convert(await self.session.get("/telemetry"), Telemetry, strict=False)

    async def settled(self) -> None:
        """Wait until little is left to post and to write, so that no point pays for the one before.

        L1 is slower than a node at its knee and may fall behind for a while; the gate would close
        in the end. The history works in the background and is behind after each ramp. Half a minute
        at most: a chain that stands still is a finding, not a fault.
        """
        for _ in range(round(SETTLED_WITHIN_S / SETTLED_POLL_S)):
            batches = (await self.session.get("/load"))["batches"]
            posted = batches is None or batches["unposted"] <= UNPOSTED_MAX
            history = (await self.telemetry()).stage("history")
            if posted and (history is None or history.arrived - history.done <= UNWRITTEN_MAX):
                return
            await asyncio.sleep(SETTLED_POLL_S)

    async def setup(self, mix: Mix, accounts: int, connections: int, seed: int) -> Setup:
        """Return what the generator must know of this node."""
        session = self.session
        nonces = [await session.next_nonce(key.address) for key in dev_keys(ROLE, accounts)]
        return Setup(
            port=self.port,
            chain_id=session.domain.chain_id,
            rollup=bytes(session.domain.rollup),
            rules=session.rules.encode(),
            mix=mix,
            accounts=accounts,
            first_nonces=nonces,
            middle=MARKS[0],
            seed=seed,
            connections=connections,
        )

    async def wave(self) -> Wave:
        """Return the waves of liquidations on this node: one, as it knows where the price is."""
        if self._wave is None:
            self._wave = await self._new_wave()
        return self._wave

    async def _new_wave(self) -> Wave:
        session, house = self.session, house_key()
        first = await session.next_nonce(house.address)
        small = [
            session.wallet(key.secret, first_nonce=await session.next_nonce(key.address))
            for key in small_keys()
        ]
        wallet = session.wallet(house.secret, first_nonce=first)
        return Wave(session, self.oracle, MARKS, wallet, small)


@asynccontextmanager
async def target_at(url: str, rpc: str, accounts: int) -> AsyncIterator[Target]:
    """Give the running node at ``url``, its accounts funded on the devnet at ``rpc``.

    Without ``rpc`` the accounts must have money. Raises what connecting and funding raise.
    """
    require_loopback(url)
    url = url.rstrip("/")
    async with connect(url) as session, _kept_fresh(session, url) as oracle:
        await _fund(session, rpc, accounts)
        yield Target(session, url, oracle, None, None)


@asynccontextmanager
async def target_of_its_own(accounts: int, config: Path = CONFIG) -> AsyncIterator[Target]:
    """Start a node with a devnet of its own, and stop it in order afterwards.

    Its folder goes with it, and stays, with the node's log, when anything was raised.
    """
    folder = Path(tempfile.mkdtemp(prefix="plimsoll-ramp-"))
    ready, data = folder / "ready.json", folder / "data"
    arguments = ["run", "--embedded", "--config", str(config), "--port", "0"]
    arguments += ["--rpc", f"http://127.0.0.1:{free_port()}"]
    arguments += ["--data", str(data), "--ready-file", str(ready)]
    try:
        async with Child("node", arguments, folder) as child:
            found = await child.file(ready, READY_WITHIN_S)
            url = str(found["url"])
            async with connect(url) as session, _kept_fresh(session, url) as oracle:
                await _fund(session, found["rpc"], accounts)
                yield Target(session, url, oracle, child.pid, data)
            await child.stop(STOP_WITHIN_S)
    except asyncio.CancelledError:
        # Whoever interrupts a ramp has no use for its log.
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


@asynccontextmanager
async def _kept_fresh(session: Session, url: str) -> AsyncIterator[OracleFeed]:
    """Tell the prices at rest, and again before they are stale, over a connection of their own.

    Raises ``ConfigInvalid`` where the devnet's reporters may not speak for two markets.
    """
    reporters = dev_keys("reporter", REPORTERS)
    known = {key.address for key in reporters} <= set(session.rules.reporters)
    if not known or len(session.rules.markets) != len(MARKS):
        fault = f"node: {url}: its rules are not those of a devnet (configs/rules.toml)"
        raise ConfigInvalid(faults=(fault,))
    async with connect(url) as telling, asyncio.TaskGroup() as group:
        oracle = OracleFeed(telling, reporters, SystemClock())
        await oracle.first(MARKS)
        running = group.create_task(oracle.run())
        try:
            yield oracle
        finally:
            running.cancel()


async def _fund(session: Session, rpc: str, accounts: int) -> None:
    """Deposit for every account that the exchange has never seen."""
    amounts = {key.address: FUNDED for key in dev_keys(ROLE, accounts)}
    amounts |= {key.address: SMALL_FUNDED for key in small_keys()}
    amounts[house_key().address] = HOUSE_FUNDED
    unseen = {
        account: amount
        for account, amount in amounts.items()
        if not await is_known(session, account)
    }
    if not unseen or not rpc:
        return
    chain = L1Chain(rpc)
    try:
        payer = await L1Account.open(
            chain,
            KeySigner(dev_key(PAYER)),
            Address(session.domain.rollup),
            session.domain.chain_id,
        )
        await fund(session, payer, unseen)
    finally:
        await chain.close()
