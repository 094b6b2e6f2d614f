"""A settlement service in front of a real chain, and a wire between them that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.mailbox import Mailbox
from node.adapters.system_clock import SystemClock
from node.capacity.queue import BoundedQueue
from node.settlement.config import SettlementConfig
from node.settlement.contracts import Contracts, check_contracts
from node.settlement.service import SettlementService
from node.types.blocks import Batch, BatchHeader, Domain
from node.types.hashing import keccak256
from node.types.ids import Address, Sequence
from node.types.marks import Mark, Standing
from tests.integration.l1_stage import GENESIS_ROOT, RULES, Exchange

CONFIG = SettlementConfig(
    poll_ms=20,
    stuck_after_ms=500,
    resend_after_ms=100,
    backoff_max_ms=100,
    safe_depth=1,
    final_depth=3,
)


class MemoryStore:
    """Batches on a disk that is a list."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def seal(self, data: bytes = b"commands", roots: int = 0, deposits: int = 0) -> Batch:
        """Seal a next batch whose roots chain, whatever they are roots of."""
        index = len(self.batches)
        last = self.batches[-1].header if self.batches else None
        batch = Batch(
            BatchHeader(
                index=index,
                previous_root=last.new_root if last else GENESIS_ROOT,
                new_root=keccak256(b"root %d" % index),
                first_sequence=Sequence(10 * index + 1),
                last_sequence=Sequence(10 * index + 10),
                inbox_cursor=(last.inbox_cursor if last else 0) + deposits,
                roots=tuple(keccak256(b"%d" % part) for part in range(roots)),
            ),
            data=data,
            cause="age",
            last_block=index,
        )
        self.batches.append(batch)
        return batch

    def read(self, from_index: int | None = None) -> Iterator[Batch]:
        return iter(self.batches[from_index or 0 :])


class Wire:
    """A TCP proxy: what a cable, a provider or a firewall does to an RPC endpoint."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 0)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.cut = False
        self.url = ""

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self.break_off()
            self._server.close()

    def break_off(self) -> None:
        """Cut the wire and everything that runs over it."""
        self.cut = True
        for writer in list(self._open):
            writer.close()

    def mend(self) -> None:
        self.cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._open |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._open -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()


class Pier:
    """An exchange's rollup, a disk, and services that come and go."""

    def __init__(self, exchange: Exchange, chain: L1Chain, contracts: Contracts) -> None:
        self.exchange = exchange
        self.chain = chain
        self.contracts = contracts
        self.store = MemoryStore()
        self.marks: list[Mark] = []
        self.start()

    @classmethod
    async def build(cls, exchange: Exchange, chain: L1Chain) -> "Pier":
        rollup = bytes.fromhex(exchange.deployment.rollup[2:])
        contracts = await check_contracts(
            chain,
            Domain(31337, rollup),
            sequencer=cls.sequencer_key(exchange).address,
            rules=keccak256(RULES),
            genesis_root=GENESIS_ROOT,
        )
        return cls(exchange, chain, contracts)

    @staticmethod
    def sequencer_key(exchange: Exchange) -> KeySigner:
        return KeySigner(bytes(exchange.stage.sequencer.key))

    @property
    def rollup(self) -> Address:
        return self.contracts.rollup

    @property
    def account(self) -> Address:
        return self.sequencer_key(self.exchange).address

    def start(self, config: SettlementConfig = CONFIG) -> None:
        """Put a service to work that remembers nothing of the one before."""
        self.outbox: Mailbox[Batch] = Mailbox(BoundedQueue("outbox", 64))
        self.clock = SystemClock()
        self.service = SettlementService(
            self.chain,
            self.contracts,
            self.sequencer_key(self.exchange),
            self.store,
            self.outbox,
            self.marks.append,
            self.clock,
            config,
        )
        self.service.recover()

    def seal(self, data: bytes = b"commands", roots: int = 0, deposits: int = 0) -> None:
        """Seal a batch and put it into the outbox."""
        self.outbox.offer(self.store.seal(data, roots, deposits), self.clock.now_ns())

    async def turns(self, count: int, *, mine: bool = False) -> None:
        for _ in range(count):
            await self.service.turn()
            if mine:
                await self.exchange.stage.rpc("evm_mine")

    async def posted(self) -> list[bytes]:
        """The commitments on the chain, in order."""
        count = await self.exchange.rollup.functions.batchCount().call()
        records = [
            await self.exchange.rollup.functions.batches(index).call() for index in range(count)
        ]
        return [bytes(record[1]) for record in records]

    async def transactions(self) -> int:
        """How many transactions of the sequencer were mined."""
        return await self.chain.nonce(self.account)

    def standings(self, index: int) -> list[Standing]:
        return [mark.standing for mark in self.marks if mark.index == index]
