"""The adapter's ledger: it leaves nothing out, and adds up to what the account has."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from node.adapters.history_pages import HistoryPages
from node.adapters.history_store import HistoryStore
from node.adapters.http.history_routes import HistoryAsked
from node.adapters.identity import Identity
from node.client import ccxt_history, ccxt_ledger
from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import BadRequest
from node.client.ccxt_history import Span
from node.codec.commands import command_id
from node.ports.history import HistoryReader
from node.transition.state import State
from node.types.commands import Command, Liquidate, SettleFunding
from node.types.history import TABLES
from node.types.ids import hex_from_address
from node.types.units import MONEY_DECIMALS, Ticks
from tests.examples import ALICE, BOB, START_MS, oracle_round
from tests.integration.api_node import BTC as MARKET
from tests.integration.api_node import SIGNING, ApiNode, running_node
from tests.integration.kept_history import QUERY_MS, KeptHistory
from tests.integration.test_ccxt_adapter import BTC, limit, trading
from tests.property.random_log import DOMAIN, RULES
from tests.property.test_history import money_of, recorded_log
from tests.unit.history.recorded_blocks import groups_of

HOUR_MS = 3_600_000
KINDS = {
    "work", "deposit", "withdrawal", "insurance", "funding", "trade", "trading_fee", "deleveraging",
    "liquidation_fee",
}  # fmt: skip
EVER = Span(None, None, 10**6)


@pytest.fixture
def history() -> Iterator[KeptHistory]:
    with KeptHistory.made() as kept:
        yield kept


# --- random logs, by the real transition and recorder, in a database ------------------------------


class Asked:
    """Answers like a session whose node keeps the history at ``url``."""

    def __init__(self, url: str) -> None:
        self.behind: dict[str, int] = {}
        """Tables that answer as if the history were written up to there only."""
        self.pages = HistoryPages(url, RULES, QUERY_MS)
        self._routes = HistoryAsked(cast("HistoryReader", None), RULES, 1_000)

    async def get(self, path: str) -> Any:
        table, _, query = path.removeprefix("/history/").partition("?")
        asked = dict(part.split("=") for part in query.split("&"))
        page = msgspec.json.decode(
            self.pages.page(self._routes.question(TABLES[table], asked)), type=dict[str, Any]
        )
        until = self.behind.get(table, page["sequence"])
        rows = [row for row in page["rows"] if row["sequence"] <= until]
        return page | {"rows": rows, "sequence": until}


@pytest.fixture(scope="module", params=(1, 5))
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[State, Asked]]:
    state, blocks = recorded_log(request.param)
    url = f"sqlite:///{Path(tmp_path_factory.mktemp('ledger')) / 'history.sqlite'}"
    with HistoryStore(url, Identity.of(DOMAIN, RULES), RULES) as store:
        for group in groups_of(blocks, 7):
            store.append(group)
    asked = Asked(url)
    yield state, asked
    asked.pages.close()


async def whole_ledger(asked: Asked, account: str, span: Span = EVER) -> ccxt_ledger.Ledger:
    return await ccxt_ledger.read(asked.get, span, account, 0)


def decimal(money: int) -> Decimal:
    return Decimal(money).scaleb(-MONEY_DECIMALS)


async def test_the_ledger_of_a_random_session_adds_up_to_the_account_s_money(
    session: tuple[State, Asked],
) -> None:
    state, asked = session
    kinds: set[str] = set()
    for account in state.accounts.values():
        ledger = await whole_ledger(asked, hex_from_address(account.address))
        kinds |= {change.kind for change in ledger.changes}
        total = decimal(money_of(account))
        assert sum((one.amount for one in ledger.changes), Decimal(0)) == total
        told = ccxt_ledger.balances(ledger.changes, total, state.sequence)
        assert told[0][0] == 0
        assert [after for _, after in told[:-1]] == [before for before, _ in told[1:]]
        assert len({one.name for one in ledger.changes}) == len(ledger.changes)
    assert kinds == KINDS


async def test_pages_of_either_direction_leave_nothing_out(
    session: tuple[State, Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, asked = session
    account = hex_from_address(next(iter(state.accounts)))
    whole = (await whole_ledger(asked, account)).changes
    assert len(whole) > 100
    for rows in (1, 7, 1_000):
        monkeypatch.setattr(ccxt_history, "ROWS", rows)
        for count in (1, 2, 25, len(whole), len(whole) + 1):
            newest = await whole_ledger(asked, account, Span(None, None, count))
            assert (newest.changes, newest.whole) == (whole[-count:], True)
            oldest = await whole_ledger(asked, account, Span(0, None, count))
            assert (oldest.changes, oldest.whole) == (whole[:count], count > len(whole))
            since = whole[len(whole) // 2].row["time"]
            later = await whole_ledger(asked, account, Span(since, None, count))
            assert later.changes == [one for one in whole if one.row["time"] >= since][:count]
    until = Span(None, whole[-1].row["time"], 10)
    assert not (await whole_ledger(asked, account, until)).whole


async def test_what_only_some_tables_tell_so_far_is_left_out(
    session: tuple[State, Asked],
) -> None:
    """The history goes on between two answers: the ledger ends where the first of them does."""
    state, asked = session
    account = hex_from_address(next(iter(state.accounts)))
    whole = (await whole_ledger(asked, account)).changes
    half = whole[len(whole) // 2].sequence
    asked.behind = {"work": half}
    try:
        for span in (EVER, Span(0, None, 10**6)):
            ledger = await whole_ledger(asked, account, span)
            assert ledger.changes == [one for one in whole if one.sequence <= half]
    finally:
        asked.behind = {}


# --- a node, and the methods ----------------------------------------------------------------------


async def told_to(node: ApiNode, command: Command) -> None:
    await node.sequencer.submit(command, command_id(command, SIGNING))


async def lived_through(node: ApiNode, alice: PlimsollExchange, bob: PlimsollExchange) -> None:
    """Let Bob buy, sell at a loss, withdraw, pay funding, and be liquidated against Alice."""
    await limit(alice, "sell", 2, 5_001)
    await bob.create_order(BTC, "market", "buy", 2)
    await limit(alice, "buy", 3, 4_590)
    await limit(alice, "buy", 0.5, 4_990)
    await limit(alice, "sell", 1, 5_060)
    await bob.create_order(BTC, "market", "sell", 0.5)
    await (await bob.trader()).withdraw(5_500_000)  # type: ignore[arg-type]
    node.clock.ahead_ms = HOUR_MS
    marks = (Ticks(460_000), Ticks(20_000))
    await told_to(node, oracle_round(node.clock.now_ms(), marks, SIGNING))
    node.clock.ahead_ms = 2 * HOUR_MS
    await told_to(node, SettleFunding())
    await told_to(node, Liquidate(MARKET, BOB.address))


async def test_a_life_s_ledger_ends_at_the_balance_and_begins_at_nothing(
    history: KeptHistory,
) -> None:
    async with (
        running_node(history=history) as node,
        trading(node, ALICE) as alice,
        trading(node, BOB) as bob,
    ):
        await lived_through(node, alice, bob)
        for exchange, kinds in (
            (bob, KINDS - {"work", "insurance", "deleveraging"}),
            (alice, {"deposit", "trade", "trading_fee", "funding"}),
        ):
            ledger = await exchange.fetch_ledger("USDC")
            assert {one["info"]["kind"] for one in ledger} == kinds
            assert ledger[0]["before"] == 0
            total = (await exchange.fetch_balance())["USDC"]["total"]
            assert ledger[-1]["after"] == total
            for one, following in pairwise(ledger):
                assert one["after"] == following["before"]
                assert one["timestamp"] <= following["timestamp"]
            signed = [one["amount"] * (1 if one["direction"] == "in" else -1) for one in ledger]
            assert sum(signed) == pytest.approx(total)
        account = {"url": node.url, "walletAddress": hex_from_address(BOB.address)}
        async with PlimsollExchange(account) as stranger:
            assert await stranger.fetch_ledger() == await bob.fetch_ledger()
        with pytest.raises(BadRequest):
            await bob.fetch_ledger("BTC")


async def test_an_answer_that_ends_before_the_newest_change_tells_no_balance(
    history: KeptHistory,
) -> None:
    async with (
        running_node(history=history) as node,
        trading(node, ALICE) as alice,
        trading(node, BOB) as bob,
    ):
        await lived_through(node, alice, bob)
        whole = await bob.fetch_ledger()
        assert await bob.fetch_ledger(None, START_MS, 100) == whole
        assert await bob.fetch_ledger(None, None, 2) == whole[-2:]
        for since, count, params in ((START_MS, 2, {}), (None, 100, {"until": START_MS})):
            part = await bob.fetch_ledger(None, since, count, params)
            assert {(one["before"], one["after"]) for one in part} == {(None, None)}
            assert [one["id"] for one in part] == [one["id"] for one in whole[: len(part)]]


async def test_a_liquidation_has_a_price_and_a_side(history: KeptHistory) -> None:
    async with (
        running_node(history=history) as node,
        trading(node, ALICE) as alice,
        trading(node, BOB) as bob,
    ):
        await lived_through(node, alice, bob)
        [told] = await bob.fetch_my_liquidations(BTC)
        assert (told["side"], told["price"]) == ("sell", 4_590.0)
        assert told["contracts"] == told["baseValue"] > 0
        assert told["quoteValue"] == pytest.approx(told["contracts"] * 4_590)
        assert await alice.fetch_liquidations(BTC) == [told]
