"""Orders that wait outside the book until the mark reaches their trigger price."""

from node.types.commands import NewOrder, Side, Trigger
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks


def is_met(new: NewOrder, mark: int) -> bool:
    """Return whether the mark has reached the trigger price of ``new``; see ``Trigger``."""
    upward = (new.trigger is Trigger.STOP) == (new.side is Side.BUY)
    return mark >= new.trigger_price if upward else mark <= new.trigger_price


class Waiting:
    """A trigger order, as its sender wrote or amended it; equal to itself alone.

    It reserves nothing. ``max_fee`` is the most that its sender pays for a unit of work, when its
    time comes.
    """

    __slots__ = ("account", "max_fee", "new", "order_id")

    def __init__(self, order_id: OrderId, account: Address, new: NewOrder, max_fee: Money) -> None:
        self.order_id = order_id
        self.account = account
        self.new = new
        self.max_fee = max_fee

    def __repr__(self) -> str:
        return f"Waiting({self.order_id}: {self.trigger.name} {self.trigger_price})"

    def is_met(self, mark: int) -> bool:
        """Return whether the mark has reached the trigger price; see ``Trigger``."""
        return is_met(self.new, mark)

    # --- what it has in common with an order that rests ------------------------------------------

    @property
    def client_id(self) -> ClientOrderId:
        """Return the client's name of it, 0 for none."""
        return self.new.client_id

    @property
    def market(self) -> MarketId:
        """Return the market that it will arrive in."""
        return self.new.market

    @property
    def side(self) -> Side:
        """Return the side that it will arrive on."""
        return self.new.side

    @property
    def price(self) -> Ticks:
        """Return the limit that it will arrive with."""
        return self.new.price

    @property
    def remaining(self) -> Lots:
        """Return its size: nothing of it is filled."""
        return self.new.size

    @property
    def size(self) -> Lots:
        """Return its size."""
        return self.new.size

    @property
    def reduce_only(self) -> bool:
        """Return whether it may only reduce a position."""
        return self.new.reduce_only

    @property
    def good_till(self) -> Millis:
        """Return the block time from which on it is dead (0: never)."""
        return self.new.good_till

    @property
    def group(self) -> int:
        """Return the group that it shares with at most one other open order (0: none)."""
        return self.new.group

    @property
    def trigger(self) -> Trigger:
        """Return which way the mark has to go."""
        return self.new.trigger

    @property
    def trigger_price(self) -> Ticks:
        """Return the mark that lets it arrive."""
        return self.new.trigger_price
