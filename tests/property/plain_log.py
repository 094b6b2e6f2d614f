"""Random logs of what the naive engine knows: a random log from which the rest is taken away."""

from typing import Final

import msgspec

from node.types.commands import (
    Command,
    Disconnected,
    Expire,
    NewOrder,
    OrderType,
    PlaceOrders,
    SelfTrade,
    SetSwitch,
    Trigger,
    TriggerOrder,
)
from node.types.units import Millis, Ticks
from tests.property.random_log import RandomLog

UNKNOWN: Final = (TriggerOrder, Expire, Disconnected, SetSwitch)


class PlainLog(RandomLog):
    """Draws until it has something that the naive engine knows, and leaves out what it does not."""

    def draw(self) -> Command:
        """Return the next command."""
        while True:
            command = _plain(super().draw())
            if command is not None:
                return command


def _plain(command: Command) -> Command | None:
    if isinstance(command, UNKNOWN):
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
        type=OrderType.POST_ONLY if new.type is OrderType.SLIDE else new.type,
        self_trade=SelfTrade.CANCEL_MAKER,
        good_till=Millis(0),
        trigger=Trigger.NONE,
        trigger_price=Ticks(0),
        group=0,
    )
