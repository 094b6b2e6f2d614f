"""``python -m node.adapters.devnet``: a chain until a signal or, with --until-eof, stdin's end."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from node.adapters.devnet.server import serve_devnet
from node.adapters.devnet.settings import DEFAULT_CHAIN_ID, DEFAULT_GAS_LIMIT, DevnetSettings
from node.types.errors import AddressUnavailable


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve. Prints the URL on the first line of stdout."""
    parsed = _parser().parse_args(arguments)
    settings = DevnetSettings(
        chain_id=parsed.chain_id,
        block_time_s=parsed.block_time,
        gas_limit=parsed.gas_limit,
        accounts=parsed.accounts,
        safe_depth=parsed.safe_depth,
        finalized_depth=parsed.finalized_depth,
    )
    try:
        asyncio.run(
            serve_until_stopped(parsed.host, parsed.port, settings, until_eof=parsed.until_eof)
        )
    except* AddressUnavailable as group:
        sys.exit(f"devnet: {group.exceptions[0]}")


async def serve_until_stopped(
    host: str, port: int, settings: DevnetSettings, *, until_eof: bool
) -> None:
    """Serve until a signal comes or, with ``until_eof``, until whoever holds stdin open is gone."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve_devnet(host, port, settings, announce=_announce))
        watching = tasks.create_task(_set_at_eof(stopped)) if until_eof else None
        await stopped.wait()
        serving.cancel()
        if watching is not None:
            watching.cancel()


def _announce(url: str) -> None:
    sys.stdout.write(url + "\n")
    sys.stdout.flush()


async def _set_at_eof(stopped: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
    stopped.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plimsoll devnet", description="A py-evm chain behind JSON-RPC."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8545, help="0 picks a free one")
    parser.add_argument(
        "--block-time", type=float, default=1.0, help="seconds; 0 mines on request only"
    )
    parser.add_argument("--chain-id", type=int, default=DEFAULT_CHAIN_ID)
    parser.add_argument("--gas-limit", type=int, default=DEFAULT_GAS_LIMIT, help="of a block")
    parser.add_argument("--accounts", type=int, default=10, help="funded test accounts")
    parser.add_argument("--safe-depth", type=int, default=2, help="blocks from the head")
    parser.add_argument("--finalized-depth", type=int, default=4, help="blocks from the head")
    parser.add_argument("--until-eof", action="store_true", help="stop when stdin ends")
    return parser


if __name__ == "__main__":
    main()
