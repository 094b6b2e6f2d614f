"""One account as its durable past left it: what it has, what is open, and who may act for it."""

from typing import Final

import msgspec

from node.transition.approve_agent import forgettable
from node.types.commands import OrderType, SelfTrade, Side, Trigger
from node.types.events import PositionChanged
from node.types.feed_states import RESTING
from node.types.ids import Address, ClientOrderId, MarketId, OrderId, Sequence
from node.types.nothing import NOTHING
from node.types.rules import Limits
from node.types.units import Lots, Millis, Money, Ticks

NEVER: Final = Millis(0)
NO_PRICE: Final = Ticks(0)
NO_LOTS: Final = Lots(0)
SWITCHED_OFF: Final = (NEVER, False)


class OpenOrder(msgspec.Struct, eq=False, gc=False):
    """An order that rests in a book, or waits for its price; ``state`` is one of ``ORDER_STATES``.

    ``type`` is what it was sent as while it waits; what rests is ``GTC`` or ``POST_ONLY``.
    ``trigger`` is ``NONE`` for one that rests; ``good_till`` and ``group`` are 0 where it has none.
    ``text`` is what was last written of it, when it stood as ``told``.
    """

    order_id: OrderId
    client_id: ClientOrderId
    market: MarketId
    side: Side
    price: Ticks
    remaining: Lots
    type: OrderType
    reduce_only: bool
    filled: Lots = NO_LOTS
    state: str = RESTING
    good_till: Millis = NEVER
    group: int = 0
    self_trade: SelfTrade = SelfTrade.CANCEL_MAKER
    trigger: Trigger = Trigger.NONE
    trigger_price: Ticks = NO_PRICE
    text: bytes = b""
    told: tuple[Ticks, Lots, Lots, str, Ticks, Millis] | None = None


class KnownAgent(msgspec.Struct, eq=False, gc=False):
    """A key that may act for the account until ``until``, and the highest nonce that it used."""

    until: Millis
    nonce: int = 0


class AccountMirror:
    """One account; ``positions`` are the open ones, ``nonce`` the highest its own key used.

    ``agents`` forgets one when the state does, and so has its bounds.

    ``sequence`` is that of the last command of the last block that touched it, or of the seed.
    ``switch`` is its dead man's switch: when it cancels, and whether it does on a disconnect.
    """

    __slots__ = (
        "agents", "free", "nonce", "orders", "positions", "reserved", "sequence", "switch",
    )  # fmt: skip

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.free = Money(0)
        self.reserved = Money(0)
        self.positions: dict[MarketId, PositionChanged] = {}
        self.orders: dict[OrderId, OpenOrder] = {}
        self.agents: dict[Address, KnownAgent] = NOTHING
        self.nonce = 0
        self.switch = SWITCHED_OFF

    def approve(self, agent: Address, until: Millis, limits: Limits, now: Millis) -> None:
        """Let ``agent`` act until ``until``; forget the one that the state forgets for it."""
        known = self.agents.get(agent)
        if known is not None:
            known.until = until
            return
        ends = ((one.until, address) for address, one in self.agents.items())
        forgotten = forgettable(ends, limits, now)
        if forgotten is not None:
            del self.agents[forgotten]
        self.know(agent, until)

    def know(self, agent: Address, until: Millis, nonce: int = 0) -> None:
        """Enter an agent."""
        if self.agents is NOTHING:
            self.agents = {}
        self.agents[agent] = KnownAgent(until, nonce)
