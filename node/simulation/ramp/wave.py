"""A wave of liquidations: small leveraged accounts, and a price that goes down under them.

They trade in the second market, so that the flow's own market keeps its price. Groups open at
prices that rise from group to group and are liquidated as the price comes down again, the last
group first: the wave is spread over a point instead of being one burst. One account, the house,
sells to them and buys back from them.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import time
from typing import Final

from node.client.session import Session
from node.client.wallet import Wallet
from node.simulation.keys import DevKey, dev_keys
from node.simulation.replay.oracle import OracleFeed
from node.types.commands import NewOrder, OrderType, Side, SignedAction
from node.types.errors import PlimsollError
from node.types.ids import MarketId
from node.types.units import Lots, Millis, Ticks

MARKET: Final = MarketId(2)
GROUPS: Final = 12
OF_A_GROUP: Final = 4
STEP: Final = 0.003
"""How much higher each group buys than the one before."""

DEEPEST: Final = 0.09
"""How far the price goes down at most; farther than the price band, the house could not bid."""

STEP_S: Final = 0.03
SIZE: Final = Lots(200)
EXPIRES_S: Final = 3_600
ANSWER_WITHIN_S: Final = 10.0


def house_key() -> DevKey:
    """Return the key of the account that trades with the small ones."""
    return dev_keys("ramp house", 1)[0]


def small_keys() -> list[DevKey]:
    """Return the keys of the accounts that will be liquidated."""
    return dev_keys("ramp small", GROUPS * OF_A_GROUP)


class Wave:
    """Opens the positions before a point and moves the price during it."""

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

    async def open(self) -> int:
        """Let every group buy, each at a higher price; return how many accounts did."""
        opened = 0
        await self._send(self._house.cancel_all(MARKET, expires=_expiry()))
        base = self._prices[MARKET - 1]
        for group in range(GROUPS):
            price = Ticks(round(base * (1 + STEP * group)))
            await self._oracle.first(self._at(price))
            members = self._small[group * OF_A_GROUP : (group + 1) * OF_A_GROUP]
            ask = _order(Side.SELL, OrderType.GTC, price, Lots(SIZE * len(members)))
            bid = _order(
                Side.BUY, OrderType.GTC, Ticks(round(price * 0.955)), Lots(2 * SIZE * len(members))
            )
            await self._send(self._house.place((ask,), expires=_expiry()))
            bought = [
                self._send(
                    wallet.place((_order(Side.BUY, OrderType.IOC, price, SIZE),), expires=_expiry())
                )
                for wallet in members
            ]
            opened += sum(await asyncio.gather(*bought))
            await self._send(self._house.place((bid,), expires=_expiry()))
        return opened

    async def run(self, seconds: float) -> None:
        """Bring the price down evenly over ``seconds``; it stays there."""
        top = self._prices[MARKET - 1] * (1 + STEP * (GROUPS - 1))
        steps = max(1, int(seconds / STEP_S))
        for step in range(1, steps + 1):
            self._oracle.tell(self._at(Ticks(round(top * (1 - DEEPEST * step / steps)))))
            await asyncio.sleep(STEP_S)

    async def rest(self) -> None:
        """Bring the price back to where it was at first."""
        await self._oracle.first(self._prices)

    def _at(self, price: Ticks) -> tuple[Ticks, ...]:
        return tuple(
            price if place == MARKET else other for place, other in enumerate(self._prices, start=1)
        )

    async def _send(self, action: SignedAction) -> bool:
        """Send an action; what the exchange refuses here only makes the wave smaller."""
        with suppress(PlimsollError, TimeoutError):
            await asyncio.wait_for(self._session.send(action), ANSWER_WITHIN_S)
            return True
        return False


def _order(side: Side, kind: OrderType, price: Ticks, size: Lots) -> NewOrder:
    return NewOrder(MARKET, side, kind, price, size)


def _expiry() -> Millis:
    return Millis((int(time()) + EXPIRES_S) * 1_000)
