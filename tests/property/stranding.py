"""How quotes come to stand in a book with nothing behind them, and who meets them.

And pairs of orders of which the older has nothing to reduce.
"""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from node.transition.account import Account
from node.transition.state import State
from node.types.commands import Command, Deposit, NewOrder, OrderType, PlaceOrders, Side, Withdraw
from node.types.ids import Address, MarketId
from node.types.units import UINT64_MAX, Lots, Millis, Money, Ticks

QUOTES = (1, 3, 2, 4)
"""How the lots of a position are parted; behind them stands one that is paid for."""
LIFETIME_MS = 60_000


class Stranding:
    """Draws from another log, and now and then strands somebody's quotes in between."""

    def __init__(self, seed: int, state: State, draw: Callable[[], Command]) -> None:
        self._random = Random(seed)
        self._state = state
        self._draw = draw
        self._story: Iterator[Command] = iter(())

    def draw(self) -> Command:
        """Return the next command."""
        told = next(self._story, None)
        if told is None and self._state.accounts and self._random.random() < 0.1:
            account = self._random.choice(list(self._state.accounts.values()))
            held = [market for market, one in account.positions.items() if one.size]
            if held:
                self._story = self._tell(account, self._random.choice(held))
        return told or self._draw()

    def _tell(self, account: Account, market: MarketId) -> Iterator[Command]:
        """Quote what closes a position, close it otherwise, take all out; one quote is met."""
        state, size = self._state, account.positions[market].size
        side, mark = Side.SELL if size > 0 else Side.BUY, state.market(market).mark
        step, worst = (1, 0) if side else (-1, UINT64_MAX)
        near = [Ticks(max(1, mark + step * away)) for away in range(1, len(QUOTES) + 2)]
        parts = [Lots(max(1, abs(size) * part // sum(QUOTES))) for part in (*QUOTES, 1)]
        quote = partial(NewOrder, market, side, OrderType.GTC)
        yield self._place(account.address, *map(quote, near, parts))
        whole = Lots(abs(size))
        yield self._place(
            account.address,
            NewOrder(market, side, OrderType.MARKET, Ticks(worst), whole, reduce_only=True),
        )
        taken = Money(account.free)
        yield Withdraw(*self._head(account.address), taken)
        others = [one for one in state.accounts if one != account.address]
        kind = self._random.choice((OrderType.GTC, OrderType.FOK))
        reach = self._random.choice(near)
        meets = NewOrder(market, side.opposite, kind, reach, parts[0])
        yield self._place(self._random.choice(others), meets)
        yield Deposit(state.inbox_cursor, account.address, taken)

    def _place(self, owner: Address, *orders: NewOrder) -> Command:
        return PlaceOrders(*self._head(owner), (), orders, Money(2 * self._state.fee), ())

    def _head(self, owner: Address) -> tuple[Address, Address, int, Millis, bytes]:
        nonce = self._state.accounts[owner].nonces.top + 1
        return owner, owner, nonce, Millis(self._state.time + LIFETIME_MS), b""


class Pairing(Stranding):
    """Tells of a position that one order closes, and of a pair behind it that would as well."""

    def _tell(self, account: Account, market: MarketId) -> Iterator[Command]:
        """Close a position three times over, twice in a pair, the better price anywhere."""
        held, mark = account.positions[market].size, self._state.market(market).mark
        side, whole = Side.SELL if held > 0 else Side.BUY, Lots(abs(held))
        reduces = (True, True, self._random.choice((True, False)))
        prices = self._random.sample(range(mark, mark + 3), k=len(reduces))
        yield self._place(
            account.address,
            *(
                NewOrder(market, side, OrderType.GTC, Ticks(price), whole, reduce_only, group=group)
                for price, reduce_only, group in zip(prices, reduces, (0, 9, 9), strict=True)
            ),
        )
        others = [one for one in self._state.accounts if one != account.address]
        reach = Ticks(mark if side is Side.BUY else mark + 2)
        meets = NewOrder(market, side.opposite, OrderType.GTC, reach, Lots(2 * whole))
        yield self._place(self._random.choice(others), meets)
