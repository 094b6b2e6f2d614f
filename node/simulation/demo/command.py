"""What ``plimsoll demo`` does.

    devnet ◀── node ◀── replay: deposits, opening, calm, rush, crash, aftermath
       ▲                  then the node is stopped: it drains and posts the rest
       └──── verifier, with an empty disk: the same root?

Everything but the clients runs in a process of its own, as it would in earnest.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console

from node.adapters.chain_process import free_port
from node.adapters.child_environment import SOURCE_ROOT
from node.adapters.l1_chain import L1Chain
from node.client.session import connect
from node.ports.api import BOOK_DEPTH_MAX
from node.simulation.demo.child import Child, ChildFailed
from node.simulation.demo.show import show
from node.simulation.demo.summary import Expected, assemble, faults
from node.simulation.interruption import INTERRUPTED, until_terminated
from node.simulation.replay.command import BUNDLED_FLOW
from node.simulation.replay.outcomes import ReplayReport
from node.simulation.replay.run import Load, run_replay
from node.simulation.replay.sources import flow_source, read_flow_config
from node.types.errors import ChainUnavailable

CONFIG = SOURCE_ROOT / "configs" / "devnet.toml"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 120.0
POLL_S = 0.1

READY, STATS, VERDICT = "ready.json", "stats.json", "verifier.json"


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the demo runs.

    ``out``: the folder for summary.json, logs and the node's data (a new folder each time, as each
    demo has a chain of its own). None: a new temporary one. ``block_time_s``: that of the devnet.
    """

    out: Path | None = None
    flow: Path = BUNDLED_FLOW
    block_time_s: float = 1.0
    expected: Expected = Expected()


def demo(options: DemoOptions | None = None, console: Console | None = None) -> int:
    """Run the whole of it and return the exit code: 0, or 1 if anything does not hold.

    Interrupted (Ctrl-C, SIGTERM), it ends its programs first and returns 130. Raises
    ``ConfigInvalid``, ``ChildFailed`` if a program did not start or died, and ``OSError``.
    """
    options, console = options or DemoOptions(), console or Console()
    folder = options.out or Path(tempfile.mkdtemp(prefix="plimsoll-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        summary = uvloop.run(until_terminated(_Demo(options, folder.resolve(), console).run()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; every program has ended", highlight=False)
        return INTERRUPTED
    found = faults(summary, options.expected)
    path = folder / "summary.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    show(console, summary, found, f"summary: {path}  logs: {folder}/*.log")
    return 1 if found else 0


class _Demo:
    def __init__(self, options: DemoOptions, folder: Path, console: Console) -> None:
        self._options = options
        self._folder = folder
        self._console = console
        self._started_s = time.monotonic()

    async def run(self) -> dict[str, Any]:
        """Return the summary."""
        async with AsyncExitStack() as stack:
            rpc = f"http://127.0.0.1:{free_port()}"
            chain = await stack.enter_async_context(self._devnet(rpc))
            await _until_it_answers(chain, rpc)
            self._say(f"a py-evm chain makes a block every {self._options.block_time_s:g} s")
            self._clear()
            node = await stack.enter_async_context(self._node(rpc))
            ready = await node.file(self._folder / READY, READY_WITHIN_S)
            self._say(f"the node serves {ready['url']}; its contracts: rollup {ready['rollup']}")
            report, books = await self._flow(node, ready["url"], rpc)
            self._say("the flow is over; the node drains and posts the rest to L1")
            exit_code = await node.stop(STOP_WITHIN_S)
            if exit_code:
                raise ChildFailed(name=node.name, exit_code=exit_code, log=str(node.log))
            stats = await node.file(self._folder / STATS, 0)
            self._say("a verifier with an empty disk reads the chain")
            verdict = await self._verify(stack, rpc, ready["rollup"])
        return assemble(stats, verdict, msgspec.to_builtins(report), books)

    def _devnet(self, rpc: str) -> Child:
        port = rpc.rpartition(":")[2]
        pause = str(self._options.block_time_s)
        return Child("devnet", ("devnet", "--port", port, "--block-time", pause), self._folder)

    def _node(self, rpc: str) -> Child:
        arguments = {
            "--config": CONFIG,
            "--rpc": rpc,
            "--data": tempfile.mkdtemp(prefix="data-", dir=self._folder),
            "--port": 0,
            "--ready-file": self._folder / READY,
            "--stats-file": self._folder / STATS,
        }
        return Child("node", ("run", *_flat(arguments)), self._folder)

    async def _flow(
        self, node: Child, url: str, rpc: str
    ) -> tuple[ReplayReport, dict[str, dict[str, Any]]]:
        """Drive the node; fail at once if it dies meanwhile."""
        config = read_flow_config(self._options.flow)
        self._say(f"{config.accounts} accounts, {config.seconds:g} s of signed actions")
        async with asyncio.TaskGroup() as group:
            guard = group.create_task(node.must_run())
            report = await run_replay(
                Load(url=url, rpc=rpc), lambda rules: flow_source(config, rules), self._console
            )
            books = await _books(url)
            guard.cancel()
        return report, books

    async def _verify(self, stack: AsyncExitStack, rpc: str, rollup: str) -> dict[str, Any]:
        report = self._folder / VERDICT
        arguments = _flat({"--rpc": rpc, "--rollup": rollup, "--json": report})
        verifier = await stack.enter_async_context(
            Child("verifier", ("verify", *arguments), self._folder)
        )
        await verifier.wait()
        return await verifier.file(report, 0)

    def _clear(self) -> None:
        """Take away what an earlier demo wrote here, lest it be read as this one's."""
        for name in (READY, STATS, VERDICT):
            (self._folder / name).unlink(missing_ok=True)

    def _say(self, text: str) -> None:
        passed_s = time.monotonic() - self._started_s
        self._console.print(f"[dim]{passed_s:5.1f} s[/]  {text}", highlight=False, soft_wrap=True)


def _flat(arguments: dict[str, object]) -> list[str]:
    return [str(part) for pair in arguments.items() for part in pair]


async def _until_it_answers(child: Child, rpc: str) -> None:
    """Wait for the chain. Raises ``ChildFailed``."""
    chain = L1Chain(rpc)
    deadline_s = time.monotonic() + READY_WITHIN_S
    try:
        while time.monotonic() < deadline_s and not child.ended:
            try:
                await chain.chain_id()
            except ChainUnavailable:
                await asyncio.sleep(POLL_S)
            else:
                return
    finally:
        await chain.close()
    raise ChildFailed(name=child.name, exit_code=None, log=str(child.log))


async def _books(url: str) -> dict[str, dict[str, Any]]:
    """Return the best levels of every order book as the node shows it now."""
    async with connect(url) as session:
        return {
            market.symbol: await session.get(f"/book/{market.symbol}?depth={BOOK_DEPTH_MAX}")
            for market in session.rules.markets
        }
