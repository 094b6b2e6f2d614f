"""The examples do what they say on a whole node, for a few seconds each, and leave nothing open."""

import asyncio
import re
import signal
import subprocess
import sys
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.app.cli.options import DEFAULT_NODE
from node.client.ccxt_adapter import PlimsollExchange
from node.client.marks import follow_marks
from node.client.session import connect
from node.client.trader import Trader
from node.simulation.replay.funding import fund
from node.types.ids import Address, hex_from_address
from node.types.units import Lots, Money
from tests.examples import ALICE, START_MS
from tests.integration.api_node import is_ahead, running_node
from tests.integration.daemon import SOURCE, WITHIN_S, node_on_chain, plimsoll_here
from tests.integration.endless import endless_replay
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


async def test_the_examples_outlive_a_node_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(SOURCE / "scripts" / "examples"))
    maker, watcher, funding = map(
        import_module, ("market_maker", "liquidation_watcher", "funding_trader")
    )
    async with running_node() as node, connect(node.url) as session:
        trader = await Trader.open(session, ALICE.key, now_ms=lambda: START_MS)
        marks = await follow_marks(session)
        rules = session.rules.markets[0]
        config = {"url": node.url, "privateKey": ALICE.key.hex()}
        async with PlimsollExchange(config, now_ms=lambda: START_MS) as exchange:
            quotes = maker.Maker(trader, marks, 1, rules, Lots(100))
            seen = watcher.Watcher(session, marks, 0.0)
            held = funding.FundingTrader(exchange, "BTC/USDC:USDC", 0.01)
            await node.server.stop()
            monkeypatch.setattr(watcher, "LOOK_S", 0)
            await quotes.quote(Decimal("0.0005"), Decimal("0.001"))
            await seen.run([ALICE.address], 0.01)
            await held._hold(0.01)
    told = capsys.readouterr().out
    assert all(f"not {what}: " in told for what in ("quoted", "seen", "traded"))


async def test_liquidations_are_seen_on_both_sides_of_a_restart_of_the_node(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(SOURCE / "scripts" / "examples"))
    session = AsyncMock()
    watcher = import_module("liquidation_watcher").Watcher(session, None, 0.8)
    for count in (3, 3, 4, 0, 2, 2, 1):
        session.get.return_value = {"liquidations": count, "deleveragings": 0}
        await watcher.look([])
    told = re.findall(r"^(\d+) more", capsys.readouterr().out, re.MULTILINE)
    assert told == ["3", "1", "2", "1"]


async def test_the_market_makers_quotes_hang_on_its_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SOURCE / "scripts" / "examples"))
    maker = import_module("market_maker")
    async with running_node() as node, connect(node.url) as session:
        trader = await Trader.open(session, ALICE.key, now_ms=lambda: START_MS)
        marks = await follow_marks(session)
        quotes = maker.Maker(trader, marks, 1, session.rules.markets[0], Lots(100))
        running = asyncio.ensure_future(quotes.run(60.0, Decimal("0.0005"), Decimal("0.001")))
        async with asyncio.timeout(WITHIN_S):
            while not quotes.rounds:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0)
        shown = await quotes.account()
        assert len(shown["orders"]) == 2
        assert is_ahead(shown["switch"]["cancel_at"], int(maker.SWITCH_S * 1_000))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        shown = await quotes.account()
        assert (shown["orders"], shown["switch"]["cancel_at"]) == ([], 0)


@pytest.mark.lengthy
async def test_the_readme_gives_a_market_and_a_program_that_trades_in_it(tmp_path: Path) -> None:
    readme = (SOURCE / "README.md").read_text(encoding="utf-8")
    [program] = re.findall(r"^```python\n(.+?)^```$", readme, re.MULTILINE | re.DOTALL)
    async with node_on_chain(tmp_path, "py-evm") as (daemon, chain):
        assert DEFAULT_NODE in program
        where = ("--node", daemon.url, "--rpc", chain.url)
        calm = ("--flow", "configs/flows/calm.toml", "--json", str(tmp_path / "market.json"))
        async with endless_replay(*calm, *where) as market:
            # Both deposit at a time, as they do where the README's lines are pasted at once.
            paid = await asyncio.to_thread(
                plimsoll_here, "deposit", "1000", "--key", "dev:1", "--faucet", *where
            )
            assert paid.code == 0, paid.errors
            async with connect(daemon.url) as session, asyncio.timeout(WITHIN_S):
                book = await session.follow_book("BTC-PERP")
                while not book.bids():  # noqa: ASYNC110 - the opening is not announced
                    await asyncio.sleep(0.1)
            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", program.replace(DEFAULT_NODE, daemon.url)],
                cwd=SOURCE,
                capture_output=True,
                check=False,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            assert "'order_id':" in done.stdout
            market.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WITHIN_S):
                assert await market.wait() == 0


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
