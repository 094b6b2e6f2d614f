"""The mixed tape of ``book_tape``, as actions of two hundred accounts: what an exchange is sent.

Half of the items are resting orders, 35 % cancels and 15 % takers, at the prices of the book's
tape. Sizes are a thousand times larger, so that each order is worth its minimum.
"""

from random import Random
from typing import Final

import msgspec

from node.transition.apply import apply
from node.transition.state import State
from node.types.commands import (
    CancelOrder,
    Command,
    Deposit,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    Side,
)
from node.types.events import Filled, ItemRejected, Rejected
from node.types.ids import Address, Sequence
from node.types.units import Lots, Millis, Money, Ticks
from tests.benchmarks.book_tape import CANCEL_SHARE, DEPTH_TICKS, MARKET, MIDDLE, TAKER_SHARE
from tests.examples import DOLLAR, DOMAIN, REPORTERS, RULES, START_MS, Person

TRADERS: Final = {one.address: one for one in (Person(f"trader {number}") for number in range(200))}
"""Those who trade, by address: the tape is not signed, but can be."""
WARM_ORDERS: Final = 40
"""Of each account: enough that the cancels of a bulk of a hundred find their orders."""
BLOCK_ITEMS: Final = 100
BLOCK_MS: Final = 5
LOTS_OF_ONE: Final = 1_000
RICH: Final = Money(10_000_000 * DOLLAR)
EXPIRES: Final = Millis(START_MS + 3_600_000)


class ActionTape(msgspec.Struct, frozen=True):
    """``warm`` fills accounts and book; ``commands`` are timed, and hold ``items`` items.

    After both, the log stands at ``last_sequence``: nothing was rejected.
    """

    warm: tuple[Command, ...]
    commands: tuple[Command, ...]
    items: int
    fills: int
    last_sequence: Sequence


class ActionDraw:
    """Draws actions and applies them at once, so that it knows what rests and can be taken."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.state = State.genesis(RULES, DOMAIN)
        self.accounts = list(TRADERS)
        self.nonces = dict.fromkeys(self.accounts, 0)
        self.commands: list[Command] = []
        self.fills = 0

    def warm_up(self) -> None:
        """Open the accounts, set the marks, and let everyone quote."""
        self.open_block()
        for index, account in enumerate(self.accounts):
            self.put(Deposit(index, account, RICH))
        prices = (Ticks(MIDDLE), Ticks(MIDDLE))
        reports = tuple(PriceReport(one.address, prices, b"") for one in REPORTERS)
        self.put(OracleRound(START_MS, reports))
        for account in self.accounts:
            self.act(account, (), tuple(self.quote() for _ in range(WARM_ORDERS)))

    def action(self, items: int) -> None:
        """Let any account send an action of ``items`` items."""
        account = self.random.choice(self.accounts)
        chances = [self.random.random() for _ in range(items)]
        resting = sorted(self.state.accounts[account].orders)
        wanted = sum(chance < CANCEL_SHARE for chance in chances)
        cancelled = self.random.sample(resting, min(wanted, len(resting)))
        takers = sum(CANCEL_SHARE <= chance < CANCEL_SHARE + TAKER_SHARE for chance in chances)
        quotes = items - len(cancelled) - takers
        orders = [*(self.quote() for _ in range(quotes)), *(self.take() for _ in range(takers))]
        self.random.shuffle(orders)
        self.act(account, tuple(CancelOrder(number) for number in cancelled), tuple(orders))

    def quote(self) -> NewOrder:
        """Return an order near the middle, as most are: bids below it, asks at it or above."""
        side = self.random.choice((Side.BUY, Side.SELL))
        away = min(int(self.random.expovariate(0.15)), DEPTH_TICKS)
        price = MIDDLE + away if side is Side.SELL else MIDDLE - 1 - away
        return _order(side, price, self.random.randint(1, 100))

    def take(self) -> NewOrder:
        """Return an order that takes from one other or a few; at most half of what is there."""
        side = self.random.choice((Side.BUY, Side.SELL))
        price = MIDDLE + 20 if side is Side.BUY else MIDDLE - 21
        levels = self.state.market(MARKET).book.levels(side.opposite, 10)
        offered = sum(size for _, size, _ in levels) // LOTS_OF_ONE
        return _order(side, price, min(self.random.randint(1, 80), max(1, offered // 2)))

    def open_block(self) -> None:
        """Open the next block, a few milliseconds later."""
        number = self.state.block + 1
        self.put(OpenBlock(number, Millis(START_MS + number * BLOCK_MS)))

    def act(
        self, account: Address, cancels: tuple[CancelOrder, ...], orders: tuple[NewOrder, ...]
    ) -> None:
        """Append an action. It carries no signature: ``apply`` leaves that to the gate."""
        self.nonces[account] += 1
        nonce = self.nonces[account]
        self.put(PlaceOrders(account, account, nonce, EXPIRES, b"", cancels, orders))

    def put(self, command: Command) -> None:
        """Append ``command``, which must apply in full."""
        for event in apply(self.state, command):
            assert not isinstance(event, Rejected | ItemRejected), event
            self.fills += isinstance(event, Filled)
        self.commands.append(command)


def _order(side: Side, price: int, size: int) -> NewOrder:
    return NewOrder(MARKET, side, OrderType.GTC, Ticks(price), Lots(size * LOTS_OF_ONE))


def action_tape(seed: int, items: int, items_per_action: int) -> ActionTape:
    """Return a tape of ``items`` items, rounded down to whole actions."""
    draw = ActionDraw(seed)
    draw.warm_up()
    warm, fills_before = len(draw.commands), draw.fills
    actions = items // items_per_action
    actions_per_block = max(1, BLOCK_ITEMS // items_per_action)
    for number in range(actions):
        if number % actions_per_block == 0:
            draw.open_block()
        draw.action(items_per_action)
    return ActionTape(
        warm=tuple(draw.commands[:warm]),
        commands=tuple(draw.commands[warm:]),
        items=actions * items_per_action,
        fills=draw.fills - fills_before,
        last_sequence=draw.state.sequence,
    )
