"""One account: what is free, what it holds and has open, and who may act for it."""

from node.margin.position import Position
from node.matching.book import Order
from node.transition.nonces import NonceWindow
from node.transition.waiting import Waiting
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.nothing import NOTHING
from node.types.units import Millis


class Agent:
    """A key that may act for an account until ``until``, with nonces of its own."""

    __slots__ = ("nonces", "until")

    def __init__(self, until: Millis, nonces: NonceWindow) -> None:
        self.until = until
        self.nonces = nonces


class Account:
    """Free collateral, open orders and what they reserve, who may sign, the dead man's switch.

    ``orders`` rest in books, ``waiting`` ones outside. ``groups`` holds the one or two open orders
    of each group, see ``NewOrder.group``. ``clients`` holds the open orders by their client ids,
    ``client_ids`` the last ids that were given, see ``client_ids.py``.

    From block time ``switch_at`` on (0: never), and with ``switch_on_disconnect`` when the last
    connection ends, all open orders are to go.
    """

    __slots__ = (
        "address",
        "agents",
        "client_ids",
        "clients",
        "free",
        "groups",
        "nonces",
        "orders",
        "positions",
        "reserved",
        "switch_at",
        "switch_on_disconnect",
        "waiting",
    )

    def __init__(self, address: Address) -> None:
        self.address = address
        self.free = 0
        self.reserved = 0
        self.switch_at = Millis(0)
        self.switch_on_disconnect = False
        self.nonces = NonceWindow()
        self.agents: dict[Address, Agent] = NOTHING
        self.positions: dict[MarketId, Position] = {}
        self.orders: dict[OrderId, Order] = {}
        self.waiting: dict[OrderId, Waiting] = NOTHING
        self.clients: dict[ClientOrderId, Order | Waiting] = NOTHING
        self.client_ids = b""
        self.groups: dict[int, list[Order | Waiting]] = NOTHING

    def position(self, market: MarketId) -> Position:
        """Return the position in ``market``, an empty one where there was none."""
        position = self.positions.get(market)
        if position is None:
            position = self.positions[market] = Position(self.address, market)
        return position

    def hold(self, order: Order) -> None:
        """Count a resting order among the account's own; its reserve leaves no ``free`` here."""
        self.orders[order.order_id] = order
        if order.client_id:
            self.name(order)
        if order.group:
            self.join(order)
        self.reserved += order.reserve
        if not order.reduce_only:
            self.position(order.market).resting[order.side] += order.remaining

    def let_go(self, order: Order) -> None:
        """Forget an order that no longer rests, and free what it still reserved."""
        del self.orders[order.order_id]
        if order.client_id:
            del self.clients[order.client_id]
        if order.group:
            self.leave(order)
        self.reserved -= order.reserve
        self.free += order.reserve
        if not order.reduce_only:
            self.positions[order.market].resting[order.side] -= order.remaining

    def close(self, order: Order) -> None:
        """Forget an order that was filled to the last lot: it reserves nothing any more."""
        del self.orders[order.order_id]
        if order.client_id:
            del self.clients[order.client_id]
        if order.group:
            self.leave(order)

    def keep(self, waiting: Waiting) -> None:
        """Count an order that waits among the account's own."""
        if self.waiting is NOTHING:
            self.waiting = {}
        self.waiting[waiting.order_id] = waiting
        if waiting.client_id:
            self.name(waiting)
        if waiting.group:
            self.join(waiting)

    def forget(self, waiting: Waiting) -> None:
        """Forget an order that no longer waits."""
        del self.waiting[waiting.order_id]
        if waiting.client_id:
            del self.clients[waiting.client_id]
        if waiting.group:
            self.leave(waiting)

    def name(self, order: Order | Waiting) -> None:
        """Enter an open order under its client id."""
        if self.clients is NOTHING:
            self.clients = {}
        self.clients[order.client_id] = order

    def join(self, order: Order | Waiting) -> None:
        """Enter an open order into its group."""
        if self.groups is NOTHING:
            self.groups = {}
        self.groups.setdefault(order.group, []).append(order)

    def leave(self, order: Order | Waiting) -> None:
        """Take an order that is no longer open out of its group."""
        members = self.groups[order.group]
        members.remove(order)
        if not members:
            del self.groups[order.group]

    def other(self, order: Order | Waiting) -> Order | Waiting | None:
        """Return the open order that shares ``order``'s group with it, if there is one."""
        members = self.groups.get(order.group, ())
        return next((member for member in members if member is not order), None)

    def named(self, order_id: OrderId, client_id: ClientOrderId) -> Order | Waiting | None:
        """Return the open order with this client id or, where that is 0, with this id."""
        if client_id:
            return self.clients.get(client_id)
        return self.orders.get(order_id) or self.waiting.get(order_id)

    def add_agent(self, agent: Address, until: Millis, nonces: NonceWindow) -> None:
        """Let ``agent`` act until ``until``, its used nonces being ``nonces``."""
        if self.agents is NOTHING:
            self.agents = {}
        self.agents[agent] = Agent(until, nonces)
