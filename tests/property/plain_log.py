"""Random logs of what the naive engine knows: a random log from which the rest is taken away."""

import msgspec

from node.types.commands import (
    Command,
    NewOrder,
    PlaceOrders,
    Trigger,
    TriggerOrder,
)
from node.types.units import Ticks
from tests.property.random_log import RandomLog


class PlainLog(RandomLog):
    """Draws until it has something that the naive engine knows, and leaves out what it does not."""

    def draw(self) -> Command:
        """Return the next command."""
        while True:
            command = _plain(super().draw())
            if command is not None:
                return command


def _plain(command: Command) -> Command | None:
    if isinstance(command, TriggerOrder):
        return None
    if not isinstance(command, PlaceOrders):
        return command
    if not (command.cancels or command.orders):
        return None
    orders = tuple(_plain_order(order) for order in command.orders)
    return msgspec.structs.replace(command, orders=orders, amends=())


def _plain_order(new: NewOrder) -> NewOrder:
    return msgspec.structs.replace(
        new,
        trigger=Trigger.NONE,
        trigger_price=Ticks(0),
        group=0,
    )
