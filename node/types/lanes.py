"""The lanes of the sequencer: what goes first when not everything can go at once."""

from enum import IntEnum
from typing import Final, assert_never

from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    Command,
    Deposit,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    SettleFunding,
    Withdraw,
)

# A name of this module is found several times faster than a member of an enum class.
_POST_ONLY: Final = OrderType.POST_ONLY


class Lane(IntEnum):
    """Lower goes first. A lane is entered only by what the transition holds to its promise."""

    SYSTEM = 0
    LIQUIDATION = 1
    REDUCING = 2
    RESTING = 3
    TAKING = 4


def lane_of(command: Command) -> Lane:
    """Return the lane of ``command``; a bulk action goes by the riskiest of its items.

    Withdrawing and taking margin out add risk; naming an agent waits with them, so that no lane
    above is entered by what does not reduce risk.
    """
    match command:
        case PlaceOrders():
            return _lane_of_orders(command.orders)
        case CancelAll():
            return Lane.REDUCING
        case AdjustMargin():
            return Lane.REDUCING if command.amount > 0 else Lane.TAKING
        case Withdraw() | ApproveAgent():
            return Lane.TAKING
        case Liquidate():
            return Lane.LIQUIDATION
        case OpenBlock() | Deposit() | OracleRound() | SettleFunding():
            return Lane.SYSTEM
        case _:
            assert_never(command)


def _lane_of_orders(orders: tuple[NewOrder, ...]) -> Lane:
    lane = Lane.REDUCING
    for order in orders:
        if not order.reduce_only:
            if order.type is not _POST_ONLY:
                return Lane.TAKING
            lane = Lane.RESTING
    return lane
