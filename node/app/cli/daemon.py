"""``plimsoll run``, ``plimsoll devnet`` and ``plimsoll config``."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import typer
import uvloop
from rich.console import Console

from node.adapters.data_folder import stored_identity
from node.adapters.devnet.process import DevnetProcess
from node.adapters.devnet.settings import DEFAULT_CHAIN_ID, DevnetSettings
from node.adapters.history_engine import shown
from node.adapters.http.config import HttpConfig
from node.adapters.http.open_files import require_files
from node.adapters.http.server import require_free
from node.adapters.spared_core import SparedCore
from node.app.cli.arguments import require_places
from node.app.cli.faucet import faucet_of
from node.app.config import NodeConfig, read_config
from node.app.foundation import lay
from node.app.logs import set_up_logs
from node.app.node import Node
from node.app.platform import this_machine
from node.app.stats import final_stats_of
from node.client.addresses import checksummed
from node.codec.l1_calls import LATEST_ROOT
from node.types.errors import AddressUnavailable, ChainDisagrees, ChainUnavailable, ConfigInvalid

DEFAULT_CONFIG = Path("configs/devnet.toml")

SWITCH_INTERVAL_S = 0.0005
"""How long the loop may keep the interpreter from the journal's thread, whose write is done.

At Python's own 5 ms a busy loop holds up every block by that much, and half of the throughput goes.
"""

RECURSION_LIMIT = 1_000
"""Python's own. What eth-account brings along raises it a hundredfold, past what the stack
holds: deeply nested input would then end the process instead of raising an error."""

ROOT_WITHIN_S = 3.0
"""How long a node that has stopped waits for L1's root, for the last figures."""

_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody listens by this
"""Addresses that stand for all of a machine, and one of them that can be asked."""

ConfigOption = Annotated[Path, typer.Option("--config", help="The node's configuration (TOML).")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(run)
    app.command()(devnet)
    app.command("config")(check_config)


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    rpc: Annotated[str | None, typer.Option(help="L1's JSON-RPC endpoint.")] = None,
    data: Annotated[Path | None, typer.Option(help="The node's data folder.")] = None,
    port: Annotated[int | None, typer.Option(help="Where to listen; 0 picks a free port.")] = None,
    rollup: Annotated[str | None, typer.Option(help="The rollup contract's address.")] = None,
    *,
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded",
            help="Start a py-evm devnet at the endpoint's port. It forgets all when the node"
            " stops, so the next run needs a fresh data folder; if it ends, so does the node.",
        ),
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write where the node is, as JSON, once it serves.")
    ] = None,
    stats_file: Annotated[
        Path | None, typer.Option(help="Write the last figures, as JSON, when it has stopped.")
    ] = None,
) -> None:
    """Run a node until it is interrupted; it then drains, and posts what is left.

    Without a rollup, and with a fresh data folder, the contracts are deployed first.

    Example: plimsoll run --embedded --data ./data/first
    """
    overrides: dict[str, dict[str, Any]] = {
        "": {"data": str(data) if data else None},
        "l1": {"rpc": rpc, "rollup": rollup},
        "http": {"port": port},
    }
    read = read_config(config, overrides)
    require_places(ready_file=ready_file, stats_file=stats_file)
    set_up_logs(read.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    sys.setrecursionlimit(RECURSION_LIMIT)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(read, embedded=embedded, ready_file=ready_file, stats_file=stats_file))


async def _run(
    config: NodeConfig, *, embedded: bool, ready_file: Path | None, stats_file: Path | None
) -> None:
    if not embedded:
        await _serve(config, (), ready_file, stats_file)
        return
    port = urlsplit(config.l1.rpc).port or 0
    _require_fresh(config.data, port)
    async with (
        DevnetProcess(port=port) as chain,
        asyncio.TaskGroup() as group,
    ):
        watching = group.create_task(_require_alive(chain))
        await _serve(config, (chain.pid,), ready_file, stats_file)
        watching.cancel()


def _require_fresh(data: Path, port: int) -> None:
    """Return where an embedded chain can begin at ``port``, and ``data`` know no older one.

    Raises ``AddressUnavailable`` (``of`` is rpc) and ``ConfigInvalid``.
    """
    try:
        require_free(HttpConfig(host="127.0.0.1", port=port))
    except AddressUnavailable as taken:
        raise AddressUnavailable(of="rpc", **taken.values) from taken
    if stored_identity(data) is not None:
        fault = f"data: {data}: is of a chain that --embedded has forgotten; a fresh folder allowed"
        raise ConfigInvalid(faults=(fault,))


async def _require_alive(chain: DevnetProcess) -> None:
    """Raise ``ChainDisagrees`` when the devnet ends: it kept its blocks in memory alone."""
    code = await chain.ended()
    raise ChainDisagrees(
        what="embedded devnet ended",
        exit_code=code,
        detail="its chain is lost; begin again with a fresh data folder",
    )


async def _serve(
    config: NodeConfig,
    beside: tuple[int, ...],
    ready_file: Path | None,
    stats_file: Path | None,
) -> None:
    """Run a node until it is stopped; ``beside`` are children that it did not start itself."""
    require_free(config.http)
    require_files(config.http)
    base = await lay(config, this_machine(config.sequencer.signature_workers))
    try:
        node = Node(config, base, faucet_of(config.faucet, base))
        _stop_at_signals(node.stop)
        with node.collector:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(node.run())
                looking = [group.create_task(node.collector.run())]
                if ready_file is not None:
                    # A node that is told to stop before it serves never is ready.
                    looking.append(group.create_task(_tell_ready(node, ready_file)))
                if config.sequencer.spare_core:
                    spared = SparedCore(lambda: (*beside, *_hindering(node.meters.children())))
                    looking.append(group.create_task(spared.run()))
                await running
                for task in looking:
                    task.cancel()
        if stats_file is not None:
            stats = final_stats_of(node, await _l1_root(node))
            await asyncio.to_thread(stats_file.write_bytes, msgspec.json.encode(stats))
    finally:
        await base.close()


def _stop_at_signals(stop: Callable[[], None]) -> None:
    """Call ``stop`` when a supervisor, a person, or the end of the terminal says so."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    # Under nohup it is ignored on purpose.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop)


def _hindering(children: Mapping[str, int]) -> Iterator[int]:
    """Yield the ids of all but the history's writer, whose priority already is the lowest."""
    return (child for name, child in children.items() if name != "history")


async def _tell_ready(node: Node, file: Path) -> None:
    await node.serving.wait()
    base = node.base
    body = {
        "url": url_of(node.config.http.host, node.server.port),
        "rpc": node.config.l1.rpc,
        "chain_id": base.domain.chain_id,
        "rollup": checksummed(base.contracts.rollup),
        "token": checksummed(base.contracts.token),
        "inbox": checksummed(base.contracts.inbox),
    }
    # Whoever waits for the file must never see half of it.
    unfinished = file.with_suffix(file.suffix + ".unfinished")
    unfinished.write_bytes(msgspec.json.encode(body))
    unfinished.replace(file)


def url_of(host: str, port: int) -> str:
    """Return where one on this machine finds what listens on ``host``."""
    named = _LOOPBACK_OF.get(host, host)
    return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"


async def _l1_root(node: Node) -> bytes:
    """Return the root that L1 has, nothing where it does not tell at once: the drain is over."""
    if node.settlement.chain_away:
        return b""
    try:
        async with asyncio.timeout(ROOT_WITHIN_S):
            return await node.base.chain.call(node.base.contracts.rollup, LATEST_ROOT.encode())
    except (ChainUnavailable, TimeoutError):
        return b""


def devnet(
    port: Annotated[int, typer.Option(help="Where to listen; 0 picks a free port.")] = 8545,
    block_time: Annotated[
        float, typer.Option(help="Seconds between blocks; 0: on request only.")
    ] = 1.0,
    chain_id: Annotated[int, typer.Option(help="The chain's id.")] = DEFAULT_CHAIN_ID,
) -> None:
    """Serve a py-evm chain on loopback until interrupted. Its accounts are anvil's: public keys.

    Example: plimsoll devnet --port 8545 --block-time 1
    """
    # py-evm changes this process's recursion limit, so no other command may load it.
    from node.adapters.devnet.__main__ import serve_until_stopped  # noqa: PLC0415

    settings = DevnetSettings(chain_id=chain_id, block_time_s=block_time)
    asyncio.run(serve_until_stopped("127.0.0.1", port, settings, until_eof=False))


def check_config(
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Check a configuration and its rules, and print what the node would run with.

    A password in the history's URL is not shown.

    Example: plimsoll config --config configs/devnet.toml
    """
    read = read_config(config)
    if read.history.url:
        named = msgspec.structs.replace(read.history, url=shown(read.history.url))
        read = msgspec.structs.replace(read, history=named)
    console = Console(soft_wrap=True)
    for name in read.__struct_fields__:
        if name != "rules":
            console.print(f"{name}: {getattr(read, name)}")
    markets = ", ".join(market.symbol for market in read.rules.markets)
    console.print(f"rules: {read.rules.name}: {markets}; digest 0x{read.rules.digest().hex()}")
