"""The load generator: ``python -m node.simulation.ramp.generator``, a process of its own.

It takes a ``Setup`` and then requests on its standard input and answers on its standard output.
Whatever can be done beforehand is done in ``Prepare``: drawing, signing, framing. What is left for
the run is to write bytes when they are due and to note when their answers come.
"""

import asyncio
import gc
import selectors
import sys
from collections.abc import Sequence
from functools import partial
from random import Random
from time import perf_counter, process_time, time
from typing import Final

import msgspec

from node.adapters.worker_process import LENGTH_BYTES
from node.client.wallet import Wallet
from node.codec.eip712 import Signing
from node.codec.json_actions import action_to_json
from node.simulation.keys import dev_keys
from node.simulation.ramp.messages import (
    Fire,
    Prepare,
    Prepared,
    Request,
    Sample,
    Setup,
    framed,
)
from node.simulation.ramp.mixes import Flow
from node.simulation.ramp.schedule import clustered_times
from node.simulation.ramp.socket_link import SocketLink, text_frame
from node.simulation.ramp.tally import Tally
from node.types.blocks import Domain
from node.types.commands import SignedAction
from node.types.ids import Address
from node.types.lanes import lane_of
from node.types.rules import decode_rules
from node.types.units import Millis, Ticks

ROLE: Final = "ramp"
"""The accounts of the flow are the devnet's keys of this name."""

EXPIRES_S: Final = 3_600
TICK_S: Final = 0.001
"""The shortest pause between two looks at what is due: what falls due within it leaves in one go.

A pause for each action would cost the generator half a core at some thousand actions a second, and
each look costs the machine that it shares with the node."""

ASK_WINDOW: Final = 32
"""Requests without an answer on a connection, when there is no clock to follow."""
ASK_WITHIN_S: Final = 60.0


class Generator:
    """The accounts' wallets and the connections, kept over all points of a ramp."""

    def __init__(self, setup: Setup) -> None:
        rules = decode_rules(setup.rules)
        signing = Signing(Domain(setup.chain_id, Address(setup.rollup)), rules)
        self._rules = rules
        self._random = Random(setup.seed)
        self._wallets = [
            Wallet(key.secret, signing, first_nonce=nonce, limit=lambda: rules.fees.ceiling)
            for key, nonce in zip(dev_keys(ROLE, setup.accounts), setup.first_nonces, strict=True)
        ]
        self._places = {wallet.account: place for place, wallet in enumerate(self._wallets)}
        self._flow = Flow(
            setup.mix,
            self._wallets,
            Ticks(setup.middle),
            rules.fees.ceiling,
            self._random,
            nonces_used=sum(nonce - 1 for nonce in setup.first_nonces),
        )
        self._links: list[SocketLink] = []
        self._tally = Tally((), ())
        self._frames: list[bytes] = []
        self._lanes: list[str] = []
        self._owners: list[int] = []
        self._times: list[float] = []

    async def connect(self, port: int, connections: int) -> None:
        """Open the connections. Raises ``OSError`` or ``LinkBroken``."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, link = await loop.create_connection(
                lambda: SocketLink(self._take), "127.0.0.1", port
            )
            await link.greeted
            self._links.append(link)

    async def prepare(self, request: Prepare) -> Prepared:
        """Clear the book, lay what the flow needs, and sign what will be sent."""
        expires = Millis((int(time()) + EXPIRES_S) * 1_000)
        await self._ask([wallet.cancel_all(expires=expires) for wallet in self._wallets])
        self._times = clustered_times(request.rate, request.seconds, request.cluster, self._random)
        stock = self._flow.stock(len(self._times), expires)
        await self._ask(stock)
        actions = list(self._flow.actions(len(self._times), expires))
        self._put(actions)
        return Prepared(len(actions))

    async def fire(self, request: Fire) -> Sample:
        """Send what was prepared and return what came of it."""
        gc.collect()
        gc.disable()
        started = perf_counter()
        seconds = self._times[-1] if self._times else 0.0
        self._tally = Tally([started + at for at in self._times], self._lanes)
        cpu = _CpuWindow(started + request.warm_s)
        await self._keep_time(started, cpu)
        spent_s = cpu.spent_s()
        until = perf_counter() + request.grace_s
        # Nobody announces that the last answer has come: an event would cost each one something.
        while self._tally.left and perf_counter() < until and not self._broken:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        gc.enable()
        sample = self._tally.sample(started + request.warm_s, started + seconds, spent_s)
        return msgspec.structs.replace(sample, wakes=cpu.wakes)

    def close(self) -> None:
        """Close every connection."""
        for link in self._links:
            link.close()

    @property
    def _broken(self) -> bool:
        return all(link.lost for link in self._links)

    def _take(self, request: int, text: bytes) -> None:
        self._tally.note(request, text)

    def _put(self, actions: Sequence[SignedAction]) -> None:
        rules = self._rules
        self._frames = [
            text_frame({"id": place, "method": "action", "params": action_to_json(action, rules)})
            for place, action in enumerate(actions)
        ]
        self._lanes = [lane_of(action).name.lower() for action in actions]
        # An account keeps to one connection, so that its nonces arrive in their order.
        links = len(self._links)
        self._owners = [self._places[action.account] % links for action in actions]

    async def _ask(self, actions: Sequence[SignedAction]) -> None:
        """Send ``actions`` as fast as they are answered, whatever the answers are."""
        self._put(actions)
        self._tally = Tally([0.0] * len(actions), self._lanes)
        window = ASK_WINDOW * len(self._links)
        async with asyncio.timeout(ASK_WITHIN_S):
            for first in range(0, len(actions), window):
                part = range(first, min(first + window, len(actions)))
                self._write(part)
                while self._tally.left > len(actions) - part.stop:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)

    def _write(self, actions: range) -> None:
        frames, owners = self._frames, self._owners
        parts: dict[int, list[bytes]] = {}
        for action in actions:
            parts.setdefault(owners[action], []).append(frames[action])
        for owner, part in parts.items():
            self._links[owner].write(b"".join(part))

    async def _keep_time(self, started: float, cpu: "_CpuWindow") -> None:
        """Send each action as soon as it is due, and never wait for an answer."""
        times, sent_s, count = self._times, self._tally.sent_s, len(self._times)
        sent = 0
        while sent < count:
            now = perf_counter()
            cpu.look(now)
            due = sent
            while due < count and times[due] <= now - started:
                sent_s[due] = now
                due += 1
            if due > sent:
                self._write(range(sent, due))
                sent = due
            wait = times[sent] + started - perf_counter() if sent < count else 0.0
            await asyncio.sleep(max(wait, TICK_S))


class _CpuWindow:
    """The processor time of this process from a moment on, and how often it looked."""

    def __init__(self, from_s: float) -> None:
        self._from_s = from_s
        self._at_start: float | None = None
        self.wakes = 0

    def look(self, now_s: float) -> None:
        if self._at_start is not None:
            self.wakes += 1
        elif now_s >= self._from_s:
            self._at_start = process_time()

    def spent_s(self) -> float:
        return 0.0 if self._at_start is None else process_time() - self._at_start


async def serve() -> None:
    """Answer requests until the input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), sys.stdin.buffer)
    setup = msgspec.msgpack.decode(await _frame(reader), type=Setup)
    generator = Generator(setup)
    await generator.connect(setup.port, setup.connections)
    requests = msgspec.msgpack.Decoder(Request)
    while True:
        try:
            request = requests.decode(await _frame(reader))
        except asyncio.IncompleteReadError:
            generator.close()
            return
        if isinstance(request, Prepare):
            answer: msgspec.Struct = await generator.prepare(request)
        else:
            answer = await generator.fire(request)
        sys.stdout.buffer.write(framed(answer))
        sys.stdout.buffer.flush()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
    return await reader.readexactly(length)


def main() -> None:
    """Serve on a loop with exact pauses: ``select`` counts microseconds, epoll milliseconds."""
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
