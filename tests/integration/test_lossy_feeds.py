"""Readers behind a line that loses, doubles and swaps messages, and hangs up.

However bad the line: nobody is ever shown a crossed book or one that the server never had, trades,
candles and the account come in turn, finality goes only where the server's went, and once the line
is good everyone has what the server has.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from operator import itemgetter
from time import perf_counter
from typing import Any

import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from node.client import channels, hello, retry
from node.client.errors import ConnectionLost
from node.client.fills import Fills
from node.client.local_account import LocalAccount
from node.client.local_book import BookUnknown, LocalBook
from node.client.local_orders import LocalOrders
from node.client.session import Session, connect
from node.client.subscription import Subscription
from node.codec.checksums import book_checksum, level_entry
from node.ingress.config import IngressConfig
from node.ports.api import RESUMABLE, Channel
from node.publisher.finality import Cursors
from node.types.commands import Side
from node.types.ids import MarketId, Sequence
from tests.examples import ALICE, BOB, CAROL, RULES, Person
from tests.integration.api_node import ApiNode, running_node
from tests.integration.lossy_proxy import CALM, STORM, LossyProxy
from tests.integration.made_up_blocks import MadeUpBlocks

MARKETS = tuple(enumerate((market.symbol for market in RULES.markets), start=1))
SETTLE_S = 60
# A busy machine is no flood, and a reader may ask as often as the line makes it.
LIMITS = IngressConfig(messages_per_s=1_000_000, message_burst=1_000_000)
HTTP = HttpConfig(outbox_bytes=1 << 20)
BLOCKS_AT_ONCE = 16
COMMANDS_PER_BLOCK = 4
BURST_EACH, BURST = 64, 20
INTERVAL = "1m"
PEOPLE = (ALICE, BOB, CAROL)
LAST_OF: dict[str, Callable[[dict[str, Any]], object]] = {
    "bbo": itemgetter("bid", "ask"),
    "trades": itemgetter("seq"),
    "candles": lambda message: message["candles"][-1:],
}


class Reader:
    """A client of ``person`` that follows every market, and checks what it shows."""

    def __init__(self, session: Session, person: Person, valid: set[tuple[int, int]]) -> None:
        self.session = session
        self.person = person
        self._valid = valid
        self.books: dict[int, LocalBook] = {}
        self.orders: dict[int, LocalOrders] = {}
        self.account = LocalAccount()
        self.fills = Fills(session.get)
        self.told: dict[tuple[str, str], dict[str, Any]] = {}
        self.looks = 0

    async def begin(self) -> None:
        """Subscribe to everything, whatever the line does meanwhile."""
        await self._insist("login", self.session.wallet(self.person.key))
        await self._insist("subscribe", "finality", self._of_finality)
        await self._insist("subscribe", "account", self._of_account)
        for market, symbol in MARKETS:
            self.books[market] = await self._insist("follow_book", symbol)
            self.orders[market] = await self._insist("follow_orders", symbol)
            for channel in ("bbo", "trades", "candles"):
                interval = INTERVAL if channel == "candles" else ""
                await self._insist(
                    "subscribe", channel, self._heard, market=symbol, interval=interval
                )

    def look(self) -> None:
        """Look at every book, as a trader would between any two messages."""
        for market, book in self.books.items():
            with suppress(BookUnknown):
                bids, asks = book.bids(), book.asks()
                assert not bids or not asks or float(bids[0][0]) < float(asks[0][0])
                levels = ([level_entry(*level) for level in side] for side in (bids, asks))
                assert (market, book_checksum(*levels)) in self._valid
                self.looks += 1
            orders = self.orders.get(market)
            with suppress(BookUnknown):
                if orders is not None:
                    bid, ask = orders.orders("buy", 1), orders.orders("sell", 1)
                    assert not bid or not ask or float(bid[0].price) < float(ask[0].price)

    async def _insist(self, method: str, *args: Any, **more: Any) -> Any:
        while True:
            with suppress(ConnectionLost):
                return await getattr(self.session, method)(*args, **more)
            await self.session.ready()

    def _heard(self, message: dict[str, Any]) -> None:
        name = message["channel"], message["market"]
        if message["channel"] == "bbo":
            bid, ask = message["bid"], message["ask"]
            assert bid is None or ask is None or float(bid[0]) < float(ask[0])
        if message["type"] == "diff":
            assert message["prev_seq"] == self.told[name]["seq"]
        self.told[name] = message

    def _of_account(self, message: dict[str, Any]) -> None:
        # Raises where a message is missing before it.
        self.account.apply(message)
        self.fills.account(message)

    def _of_finality(self, message: dict[str, Any]) -> None:
        name = "finality", ""
        assert name not in self.told or message["count"] >= self.told[name]["count"]
        self.told[name] = message
        self.fills.finality(message)


class Scene:
    """A server that is told of made-up blocks, a proxy before it, and its readers."""

    def __init__(self, node: ApiNode, proxy: LossyProxy, readers: list[Reader]) -> None:
        self.node = node
        self.proxy = proxy
        self.readers = readers
        self.blocks = 0

    async def tell(self, made: MadeUpBlocks, valid: set[tuple[int, int]]) -> None:
        """Make some blocks and let the server tell of each, as fast as it can."""
        publisher, feeds = self.node.publisher, self.node.feeds
        for _ in range(BLOCKS_AT_ONCE):
            block = made.draw(COMMANDS_PER_BLOCK)
            self.node.mailbox.offer(block, 0)
            publisher.turn()
            self.blocks += 1
            self._move_cursors(block.block.last_sequence)
            for market, _ in MARKETS:
                valid.add((market, feeds.book_fields(MarketId(market), 25)["checksum"]))
        await asyncio.sleep(0)

    def _move_cursors(self, last: Sequence) -> None:
        """Let L1 come on by a block, and take half of it back, in a message each.

        Swapped, these two leave a reader with what was posted before the reorg.
        """
        publisher, before = self.node.publisher, self.node.publisher.cursors
        for posted in (before.sealed, Sequence((before.safe + before.sealed) // 2)):
            publisher.set_cursors(Cursors(posted, posted, before.safe, last))

    async def read(self) -> None:
        """Wait until everyone is connected and the server has handed everything to the line."""
        for reader in self.readers:
            await reader.session.ready()
        wires = self.node.server._conversations
        while any(wire._transport.get_write_buffer_size() for wire in wires):  # noqa: ASYNC110
            await asyncio.sleep(0)

    def agree(self) -> bool:
        """Return whether every reader has all that the server has."""
        return all(
            self._same_account(reader)
            and all(self._same(reader, MarketId(market)) for market, _ in MARKETS)
            for reader in self.readers
        )

    def _same_account(self, reader: Reader) -> bool:
        shown = self._shown(self.node.feeds.account_fields(reader.person.address))
        orders = {order["order_id"]: order["remaining"] for order in shown["orders"]}
        cursors, stage = self.node.publisher.cursors, reader.fills.stage
        return (
            orders
            == {order.order_id: str(order.remaining) for order in reader.account.open.values()}
            and orders == {number: kept.remaining for number, kept in reader.fills.orders.items()}
            and all(
                stage(sequence) == cursors.stage(sequence)
                for cursor in (cursors.final, cursors.posted, cursors.sealed)
                for sequence in (cursor, cursor + 1)
            )
        )

    def _same(self, reader: Reader, market: MarketId) -> bool:
        feeds = self.node.feeds
        shown = self._shown(feeds.book_fields(market))
        fields = {side: [tuple(level) for level in shown[side]] for side in ("bids", "asks")}
        try:
            book = {"bids": reader.books[market].bids(), "asks": reader.books[market].asks()}
            orders = reader.orders[market]
            ids = [[order.order_id for order in orders.orders(side)] for side in ("buy", "sell")]
        except BookUnknown:
            return False
        return (
            all(book[side] == fields[side] for side in book)
            and ids == [[o.order_id for o in feeds.books.orders(market, side)] for side in Side]
            and orders.levels("buy") == fields["bids"]
            and all(
                self._told(reader, channel)
                for channel in (
                    Channel("bbo", market),
                    Channel("trades", market),
                    Channel("candles", market, interval=INTERVAL),
                )
            )
        )

    def _told(self, reader: Reader, channel: Channel) -> bool:
        """Return whether the last that ``reader`` was told of ``channel`` is how it stands."""
        (frame,) = self.node.feeds.standing(channel)
        stands = msgspec.json.decode(frame[frame.index(b'{"') :])
        last_of, told = LAST_OF[channel.kind], reader.told[channel.kind, stands["market"]]
        return last_of(told) == last_of(stands)

    @staticmethod
    def _shown(fields: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(fields))
        return shown


@asynccontextmanager
async def scene(clients: int, seed: int, valid: set[tuple[int, int]]) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(running_node(HTTP, LIMITS, funded=False))
        proxy = LossyProxy(node.server.port, seed, CALM)
        url = await stack.enter_async_context(proxy.serving())
        sessions = [await stack.enter_async_context(connect(url)) for _ in range(clients)]
        readers = [
            Reader(session, PEOPLE[place % len(PEOPLE)], valid)
            for place, session in enumerate(sessions)
        ]
        for reader in readers:
            await reader.begin()
        yield Scene(node, proxy, readers)


async def follow_through_storm(clients: int, seed: int, deliveries: int) -> Scene:
    """Let ``clients`` follow made-up blocks until the proxy has delivered so many messages."""
    valid = {(market, book_checksum([], [])) for market, _ in MARKETS}
    accounts = [person.address for person in PEOPLE]
    made = MadeUpBlocks(seed, len(MARKETS), accounts=accounts)
    async with scene(clients, seed, valid) as stage:
        proxy = stage.proxy
        proxy.weather = STORM
        began, turns = perf_counter(), 0
        while proxy.delivered < deliveries:
            turns += 1
            # Readers are given time to read, but for a burst now and then.
            for _ in range(1 if turns % BURST_EACH else BURST):
                await stage.tell(made, valid)
            await stage.read()
            for reader in stage.readers:
                reader.look()
        took_s, delivered = perf_counter() - began, proxy.delivered
        proxy.weather = CALM
        async with asyncio.timeout(SETTLE_S):
            while not stage.agree():
                # Only the next message tells a reader that the last one was lost.
                await stage.tell(made, valid)
                await stage.read()
                await asyncio.sleep(0.05)
        print(
            f"{delivered:,} messages to {clients} readers in {took_s:.1f} s: "
            f"{proxy.dropped:,} dropped, {proxy.doubled:,} doubled, {proxy.swapped:,} swapped, "
            f"{proxy.hung_up} hung up; {stage.blocks:,} blocks, "
            f"{stage.node.publisher.conflated} conflated, {stage.node.publisher.slow_readers} cut; "
            f"{sum(reader.looks for reader in stage.readers):,} looks at books"
        )
        return stage


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost answer is given up soon, and a lost connection made anew at once.

    No line makes a book come out wrong: what does not follow is never taken in.
    """

    def start_over(subscription: Subscription) -> None:
        raise AssertionError(subscription.params)

    monkeypatch.setattr(Subscription, "start_over", start_over)
    for module in (hello, channels):
        monkeypatch.setattr(module, "ANSWER_S", 0.2)
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(retry, "LONGEST_PAUSE_S", 0.1)


@pytest.mark.parametrize("seed", [1, 2])
async def test_readers_on_a_bad_line_end_with_the_books_of_the_server(seed: int) -> None:
    stage = await follow_through_storm(clients=4, seed=seed, deliveries=20_000)
    require_disturbed(stage)


# Two million messages take some minutes, of which a reader's own work is most.
@pytest.mark.timeout(1_800)
@pytest.mark.thorough
async def test_two_million_messages_on_a_bad_line() -> None:
    stage = await follow_through_storm(clients=8, seed=3, deliveries=2_000_000)
    require_disturbed(stage)


def require_disturbed(stage: Scene) -> None:
    """Everything that a bad line does was done, or the test has shown nothing."""
    proxy = stage.proxy
    assert min(proxy.dropped, proxy.doubled, proxy.swapped, proxy.hung_up) > 0
    resumed = anew = 0
    for reader in stage.readers:
        for subscription in reader.session._channels:
            if subscription.params["channel"] in RESUMABLE:
                resumed += subscription.resumed
                anew += subscription.begun - 1
    print(f"{resumed:,} resumed, {anew:,} begun anew")
    assert resumed > anew
