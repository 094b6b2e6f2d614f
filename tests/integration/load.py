"""Load for a node, and a memory of every acknowledgement that it gave."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.client.errors import ConnectionLost
from node.client.l1 import L1Account
from node.client.session import Session, connect
from node.client.wallet import Wallet
from node.codec.json_actions import action_to_json
from node.codec.json_rounds import round_to_json
from node.codec.signatures import sign
from node.simulation.keys import DevKey, dev_keys
from node.simulation.replay.funding import fund
from node.simulation.replay.trader import coarse_expiry
from node.types.commands import (
    CancelOrder,
    NewOrder,
    OracleRound,
    OrderType,
    PriceReport,
    Side,
    SignedAction,
)
from node.types.errors import CommandRejected, IntegrityError, NonceUsed, Unavailable
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks

DOLLAR: Final = 1_000_000
BTC: Final = MarketId(1)
BTC_PRICE: Final = 600_000
"""Ticks of a tenth of a dollar: 60,000."""

ETH_PRICE: Final = 300_000
LOTS_PER_BTC: Final = 100_000
ROUND_EVERY_S: Final = 0.25
FUNDED: Final = 100_000 * DOLLAR

Result = dict[str, Any]


def now_ms() -> Millis:
    """Return the wall-clock time, which is what actions and rounds are dated with."""
    return Millis(time.time_ns() // 1_000_000)


def order(
    side: Side, price: int, size: int, kind: OrderType = OrderType.GTC, *, reduce_only: bool = False
) -> NewOrder:
    """Return an order for BTC: ``price`` in ticks, ``size`` in lots."""
    return NewOrder(BTC, side, kind, Ticks(price), Lots(size), reduce_only, ClientOrderId(0))


class Reporters:
    """The oracle: all three reporters sign the same prices."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys = dev_keys("reporter", 3)
        self._last = Millis(0)

    async def tell(self, btc: int = BTC_PRICE, eth: int = ETH_PRICE) -> Result:
        """Make these prices, in ticks, the marks."""
        self._last = Millis(max(now_ms(), self._last + 1))
        prices = (Ticks(btc), Ticks(eth))
        digest = self._session.signing.report_digest(self._last, prices)
        reports = tuple(
            PriceReport(key.address, prices, sign(key.secret, digest)) for key in self._keys
        )
        body = round_to_json(OracleRound(self._last, reports), self._session.rules)
        return await self._session.request("oracle_round", body)


class Trader:
    """A key with its wallet, and the orders that it was told are resting."""

    def __init__(self, key: DevKey, session: Session) -> None:
        self.address = key.address
        self.wallet: Wallet = session.wallet(key.secret)
        self.resting: list[int] = []
        self._session = session

    async def send(self, action: SignedAction) -> Result:
        """Send an action once."""
        result = await self._session.send(action)
        self.note(result)
        return result

    async def place(self, *orders: NewOrder, cancels: tuple[CancelOrder, ...] = ()) -> Result:
        """Sign orders and send them once."""
        return await self.send(self.wallet.place(orders, cancels, expires=expiry()))

    def note(self, result: Result) -> None:
        """Remember what rests now."""
        for item in result["results"]:
            if item.get("status") == "resting":
                self.resting.append(item["order_id"])


class Load:
    """Traders that send until they are told to stop, through crashes and gates.

    ``acknowledged`` holds every result; ``found`` counts the actions whose answer was lost but that
    the log turned out to hold.
    """

    def __init__(self, session: Session, seed: int, traders: int, pause_s: float) -> None:
        self.session = session
        self.reporters = Reporters(session)
        self.traders = [Trader(key, session) for key in dev_keys("trader", traders)]
        self.acknowledged: list[Result] = []
        self.found = 0
        self.refused = 0
        self._dice = random.Random(seed)
        self._pause_s = pause_s

    async def fund(self, rpc: str) -> None:
        """Deposit for every trader, and tell the first prices."""
        async with l1_account(rpc, self.session) as payer:
            await fund(
                self.session, payer, {trader.address: Money(FUNDED) for trader in self.traders}
            )
        self.acknowledged.append(await self.reporters.tell())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send until the block ends; what is in flight then is waited for."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_prices(stopping))
            for trader in self.traders:
                group.create_task(self._trade(trader, stopping))
            try:
                yield
            finally:
                stopping.set()

    async def until_acknowledged(self, more: int) -> None:
        """Wait until there are so many more acknowledgements."""
        wanted = len(self.acknowledged) + more
        async with asyncio.timeout(40):
            while len(self.acknowledged) < wanted:  # noqa: ASYNC110 - several traders reach it
                await asyncio.sleep(0.005)

    async def _tell_prices(self, stopping: asyncio.Event) -> None:
        price = BTC_PRICE
        while not stopping.is_set():
            price += self._dice.randint(-20, 20)
            try:
                self.acknowledged.append(await self.reporters.tell(price))
            except (Unavailable, IntegrityError):
                await self.session.ready()
            await _pause(stopping, ROUND_EVERY_S)

    async def _trade(self, trader: Trader, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self._settle(trader, self._intend(trader))
            await _pause(stopping, self._dice.expovariate(1 / self._pause_s))

    async def _settle(self, trader: Trader, action: SignedAction) -> None:
        """Send ``action`` until it is known what became of it, as a careful client does."""
        body = action_to_json(action, self.session.rules)
        asked = 0
        while True:
            try:
                asked += 1
                result = await self.session.request("action", body)
            except NonceUsed:
                # The only one who signs with this nonce is this trader: the log has it already.
                assert asked > 1
                self.found += 1
                return
            except (ConnectionLost, IntegrityError):
                await self.session.ready()
            except Unavailable:
                # Nothing was taken on; the next action is another one.
                self.refused += 1
                return
            except CommandRejected:
                self.refused += 1
                return
            else:
                self.acknowledged.append(result)
                trader.note(result)
                return

    def _intend(self, trader: Trader) -> SignedAction:
        dice, expires = self._dice, expiry()
        side = dice.choice((Side.BUY, Side.SELL))
        away = -1 if side is Side.BUY else 1
        size = dice.randint(100, 2_000)
        if dice.random() < 0.25:
            taking = order(side, BTC_PRICE - 200 * away, size, OrderType.IOC)
            return trader.wallet.place((taking,), expires=expires)
        cancels: tuple[CancelOrder, ...] = ()
        if len(trader.resting) > 3:
            victim = trader.resting.pop(dice.randrange(len(trader.resting)))
            cancels = (CancelOrder(OrderId(victim), ClientOrderId(0)),)
        resting = tuple(
            order(side, BTC_PRICE + away * dice.randint(-5, 60), size)
            for _ in range(dice.randint(1, 3))
        )
        return trader.wallet.place(resting, cancels, expires=expires)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    """Let time pass, but not past the end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


@asynccontextmanager
async def l1_account(rpc: str, session: Session, key: int = 1) -> AsyncIterator[L1Account]:
    """Give the L1 side of the devnet's account number ``key``."""
    chain = L1Chain(rpc)
    try:
        yield await L1Account.open(chain, KeySigner(dev_key(key)), Address(session.domain.rollup))
    finally:
        await chain.close()


@asynccontextmanager
async def load_on(
    url: str, rpc: str, *, seed: int = 1, traders: int = 4, pause_s: float = 0.03
) -> AsyncIterator[Load]:
    """Give funded traders on the node at ``url``; print the seed, for a failing run."""
    print("seed", seed)
    async with connect(url) as session:
        load = Load(session, seed, traders, pause_s)
        await load.fund(rpc)
        yield load


def expiry() -> Millis:
    """Return when an action that is signed now expires."""
    return coarse_expiry(now_ms())
