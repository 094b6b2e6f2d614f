"""What the generator sends: flows that never depend on what became of their own earlier actions.

Each is drawn and signed before the run, so its success may rest on nothing that the run decides:
quotes are post-only on their own side of a middle that no order passes, takers take at once or not
at all, and what is cancelled was laid into the book beforehand.

| Mix | Actions |
|---|---|
| single | one order each: of a hundred 85 quotes and 15 takers |
| bulk | 20 orders each, of the same mix |
| cancel | half are cancels of one order; the others as in single |
"""

from collections import deque
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from node.client.wallet import Wallet
from node.simulation.ramp.messages import Mix
from node.types.commands import CancelOrder, NewOrder, OrderType, PlaceOrders, Side
from node.types.ids import NO_CLIENT_ID, ClientOrderId, MarketId
from node.types.units import Lots, Millis, Money, Ticks

FLOW_MARKET: Final = MarketId(1)
BULK: Final = 20
TAKER_SHARE: Final = 0.15
CANCEL_SHARE: Final = 0.5
REACH_TICKS: Final = 20
DEPTH_TICKS: Final = 100
STOCK_TICKS: Final = 200
"""How far from the middle the orders lie that are there to be cancelled: no taker reaches them."""
STOCK_BULK: Final = 50
LOTS_OF_ONE: Final = 100


class Flow:
    """Draws the signed actions of one mix; accounts take turns.

    What cancels is cancelled by client ids of its own, counted up for ever, so that no two orders
    of an account ever share one: above those of an earlier ramp, which took a nonce for each bulk.
    """

    def __init__(
        self,
        mix: Mix,
        wallets: Sequence[Wallet],
        middle: Ticks,
        max_fee: Money,
        random: Random,
        nonces_used: int = 0,
    ) -> None:
        """``max_fee`` is what every action would pay for a unit of work, so that none is dear.

        ``nonces_used`` are those of all wallets together, before.
        """
        self._mix = mix
        self._wallets = wallets
        self._middle = middle
        self._max_fee = max_fee
        self._random = random
        self._turn = 0
        self._named = STOCK_BULK * nonces_used
        self._stock: deque[tuple[Wallet, ClientOrderId]] = deque()

    def stock(self, actions: int, expires: Millis) -> list[PlaceOrders]:
        """Return what must rest in the book before ``actions`` actions are sent."""
        # Something must be there to take from the first moment on.
        quotes = [
            self._wallet().place(self._quotes(BULK), expires=expires, max_fee=self._max_fee)
            for _ in range(10)
        ]
        self._stock.clear()
        if self._mix is not Mix.CANCEL:
            return quotes
        # Half as much again as will be cancelled on average: chance never empties it.
        wanted = int(actions * CANCEL_SHARE * 1.5) + STOCK_BULK
        for _ in range(-(-wanted // STOCK_BULK)):
            wallet = self._wallet()
            orders = tuple(self._far_quote() for _ in range(STOCK_BULK))
            self._stock.extend((wallet, order.client_id) for order in orders)
            quotes.append(wallet.place(orders, expires=expires, max_fee=self._max_fee))
        self._shuffle_stock()
        return quotes

    def actions(self, count: int, expires: Millis) -> Iterator[PlaceOrders]:
        """Yield ``count`` actions of the mix."""
        for _ in range(count):
            if self._mix is Mix.CANCEL and self._stock and self._random.random() < CANCEL_SHARE:
                wallet, name = self._stock.popleft()
                yield wallet.place((), (CancelOrder(client_id=name),), expires=expires)
            elif self._mix is Mix.BULK:
                yield self._wallet().place(
                    tuple(self._order() for _ in range(BULK)),
                    expires=expires,
                    max_fee=self._max_fee,
                )
            else:
                yield self._wallet().place((self._order(),), expires=expires, max_fee=self._max_fee)

    def _wallet(self) -> Wallet:
        self._turn = (self._turn + 1) % len(self._wallets)
        return self._wallets[self._turn]

    def _shuffle_stock(self) -> None:
        shuffled = list(self._stock)
        self._random.shuffle(shuffled)
        self._stock = deque(shuffled)

    def _order(self) -> NewOrder:
        if self._random.random() >= TAKER_SHARE:
            return self._quote()
        side = self._random.choice((Side.BUY, Side.SELL))
        reach = REACH_TICKS if side is Side.BUY else -REACH_TICKS
        return _order(side, OrderType.IOC, self._middle + reach, self._random.randint(1, 80))

    def _quotes(self, count: int) -> tuple[NewOrder, ...]:
        return tuple(self._quote() for _ in range(count))

    def _quote(self) -> NewOrder:
        side = self._random.choice((Side.BUY, Side.SELL))
        away = min(int(self._random.expovariate(0.15)), DEPTH_TICKS)
        price = self._middle + away if side is Side.SELL else self._middle - 1 - away
        return _order(side, OrderType.POST_ONLY, price, self._random.randint(1, 100))

    def _far_quote(self) -> NewOrder:
        self._named += 1
        side = self._random.choice((Side.BUY, Side.SELL))
        away = STOCK_TICKS + self._random.randrange(DEPTH_TICKS)
        price = self._middle + away if side is Side.SELL else self._middle - away
        return _order(side, OrderType.POST_ONLY, price, 1, ClientOrderId(self._named))


def _order(
    side: Side, kind: OrderType, price: int, size: int, name: ClientOrderId = NO_CLIENT_ID
) -> NewOrder:
    return NewOrder(FLOW_MARKET, side, kind, Ticks(price), Lots(size * LOTS_OF_ONE), client_id=name)
