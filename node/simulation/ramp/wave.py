"""Waves of liquidations: leveraged accounts, and a price that goes down under them, step by step.

They trade in the second market, so that the flow's own market keeps its price. Groups of them buy
at prices that rise from group to group, once. Whoever is liquidated loses about half of the
position and then has its initial margin again, so the next 2.6 % down reach it once more: every
wave goes down by what lies between the groups together, and meets each account about once, one
group after the other. Nothing is opened between waves: after a fall, initial margin allows for the
volatility that it has just seen, and nobody could.

One account, the house, sells to them and buys back from them.
"""

import asyncio
from collections.abc import Sequence
from time import time
from typing import Final

from node.client.session import Session
from node.client.wallet import Wallet
from node.simulation.keys import DevKey, dev_keys
from node.simulation.replay.oracle import OracleFeed
from node.types.commands import NewOrder, OrderType, Side, SignedAction
from node.types.errors import PlimsollError
from node.types.ids import MarketId, hex_from_address
from node.types.units import PPM_ONE, Lots, Millis, Ticks

MARKET: Final = MarketId(2)
GROUPS: Final = 48
OF_A_GROUP: Final = 4
FALL: Final = 0.028
"""How far one wave goes down: the way from initial to maintenance margin, and a little more."""

STEP_S: Final = 0.03
SIZE: Final = Lots(131_072)
"""Halved each time: enough for 17 waves. A mix has seven, so a third one ends without any."""

BID_BELOW: Final = 0.005
"""How far below the price of a wave's beginning the house bids: above any bankruptcy price."""
ABOVE_TRIGGER: Final = 1.002
EXPIRES_S: Final = 3_600
ANSWER_WITHIN_S: Final = 10.0


def house_key() -> DevKey:
    """Return the key of the account that trades with the small ones."""
    return dev_keys("ramp house", 1)[0]


def small_keys() -> list[DevKey]:
    """Return the keys of the accounts that will be liquidated."""
    return dev_keys("ramp small", GROUPS * OF_A_GROUP)


class Wave:
    """Opens the positions once, and moves the price during points."""

    def __init__(
        self,
        session: Session,
        oracle: OracleFeed,
        prices: tuple[Ticks, ...],
        house: Wallet,
        small: Sequence[Wallet],
    ) -> None:
        """``prices``: the prices of all markets at rest; only that of ``MARKET`` is moved."""
        self._session = session
        self._oracle = oracle
        self._prices = prices
        self._house = house
        self._small = small
        self._price = float(prices[MARKET - 1])
        self._opened: int | None = None

    async def open(self) -> int:
        """Let every group buy, each at a higher price; return how many accounts ever did."""
        if self._opened is None:
            self._opened = 0
            base = self._price
            for group in range(GROUPS):
                await self._move(base * (1 + FALL * group / GROUPS), 0.05)
                self._opened += await self._buy(group)
            await self._approach()
        return self._opened

    async def ready(self) -> None:
        """Let the house bid for all that the next wave may bring."""
        await self._send(self._house.cancel_all(MARKET, expires=_expiry()))
        price = Ticks(round(self._price * (1 - BID_BELOW)))
        size = Lots(SIZE * len(self._small))
        bid = NewOrder(MARKET, Side.BUY, OrderType.GTC, price, size, reduce_only=True)
        await self._send(self._house.place((bid,), expires=_expiry()))

    async def run(self, seconds: float) -> None:
        """Bring the price down evenly over ``seconds``; it stays there."""
        await self._move(self._price * (1 - FALL), seconds)

    async def _buy(self, group: int) -> int:
        """Let one group buy at the present price; return how many did."""
        members = self._small[group * OF_A_GROUP : (group + 1) * OF_A_GROUP]
        price = Ticks(round(self._price))
        ask = NewOrder(MARKET, Side.SELL, OrderType.GTC, price, Lots(SIZE * len(members)))
        await self._send(self._house.place((ask,), expires=_expiry()))
        take = NewOrder(MARKET, Side.BUY, OrderType.IOC, price, SIZE)
        buys = [wallet.place((take,), expires=_expiry()) for wallet in members]
        return sum(await asyncio.gather(*map(self._send, buys)))

    async def _approach(self) -> None:
        """Come down to just above the price at which the first account is liquidated."""
        trigger = 0.0
        for wallet in self._small[-OF_A_GROUP:]:
            shown = await self._session.get(f"/account/{hex_from_address(wallet.account)}")
            trigger = max([trigger, *(self._trigger(held) for held in shown["positions"])])
        if trigger:
            await self._move(min(self._price, trigger * ABOVE_TRIGGER), 1.0)

    def _trigger(self, held: dict[str, str]) -> float:
        """Return the price, in ticks, at which a long position fails its maintenance margin."""
        market = self._session.rules.markets[MARKET - 1]
        if held["market"] != market.symbol:
            return 0.0
        kept = 1 - market.brackets[0].maintenance / PPM_ONE
        price = (float(held["entry"]) - float(held["margin"])) / (float(held["size"]) * kept)
        return float(price * 10**market.tick_decimals)

    async def _move(self, price: float, seconds: float) -> None:
        """Bring the price to ``price`` in even steps over ``seconds``, and wait for the last."""
        steps, start = max(1, int(seconds / STEP_S)), self._price
        for step in range(1, steps):
            self._oracle.tell(self._at(start + (price - start) * step / steps))
            await asyncio.sleep(STEP_S)
        self._price = price
        self._oracle.tell(self._at(price))
        await asyncio.sleep(STEP_S)

    def _at(self, price: float) -> tuple[Ticks, ...]:
        moved = Ticks(round(price))
        return tuple(
            moved if place == MARKET else other for place, other in enumerate(self._prices, start=1)
        )

    async def _send(self, action: SignedAction) -> bool:
        """Send an action; what the exchange refuses here only makes the wave smaller."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._session.send(action)
        except (PlimsollError, TimeoutError):
            return False
        return True


def _expiry() -> Millis:
    return Millis((int(time()) + EXPIRES_S) * 1_000)
