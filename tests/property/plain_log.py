"""Random logs of what the naive engine knows: a random log from which the groups are taken away."""

import msgspec

from node.types.commands import Command, PlaceOrders
from tests.property.random_log import RandomLog


class PlainLog(RandomLog):
    """A random log without groups of orders."""

    def draw(self) -> Command:
        """Return the next command."""
        command = super().draw()
        if not isinstance(command, PlaceOrders):
            return command
        orders = tuple(msgspec.structs.replace(order, group=0) for order in command.orders)
        return msgspec.structs.replace(command, orders=orders)
