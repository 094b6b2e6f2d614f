"""The examples do what they say on a whole node, for a few seconds each, and leave nothing open."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from node.adapters.key_signer import KeySigner
from node.app.exchange import dev_key
from node.simulation.replay.funding import fund
from node.types.ids import Address, hex_from_address
from node.types.units import Money
from tests.integration.daemon import SOURCE, WITHIN_S, node_on_chain
from tests.integration.load import DOLLAR, l1_account, load_on

SECONDS = "4"


def address_of(key: int) -> Address:
    return KeySigner(dev_key(key)).address


async def run(name: str, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, f"scripts/examples/{name}.py", "--seconds", SECONDS, *arguments),
        cwd=SOURCE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * WITHIN_S):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.lengthy
async def test_the_examples_trade_watch_and_leave_nothing_behind(tmp_path: Path) -> None:
    async with (
        node_on_chain(tmp_path, "py-evm") as (daemon, chain),
        load_on(daemon.url, chain.url) as load,
    ):
        async with l1_account(chain.url, load.session) as payer:
            amounts = {address_of(key): Money(10_000 * DOLLAR) for key in (1, 2)}
            await fund(load.session, payer, amounts)
        watched = hex_from_address(load.traders[0].address)
        where = ("--node", daemon.url)
        async with load.running():
            maker, watcher, funding = await asyncio.gather(
                run("market_maker", "--key", "dev:1", *where),
                run("liquidation_watcher", "--account", watched, "--near", "0", *where),
                run("funding_trader", "--key", "dev:2", "--threshold-bp", "0", *where),
            )
        for code, output, errors in (maker, watcher, funding):
            assert (code, errors) == (0, ""), (output, errors)
        rounds = re.search(r"^(\d+) rounds", maker[1], re.MULTILINE)
        assert rounds is not None, maker[1]
        assert int(rounds[1]) >= 2
        assert "2 quotes rest" in maker[1]
        trades = re.search(r"^(\d+) trades", watcher[1], re.MULTILINE)
        assert trades is not None, watcher[1]
        assert int(trades[1]) > 0
        assert "maintenance is" in watcher[1]
        held = re.search(r"^(\d+) orders; holding (\S+),", funding[1], re.MULTILINE)
        assert held is not None, funding[1]
        assert int(held[1]) >= 2
        assert held[2] == "0"
        for key in (1, 2):
            shown = await daemon.get(f"/orders/{hex_from_address(address_of(key))}")
            assert shown["orders"] == []
