"""The lanes of the sequencer: what goes first when not everything can go at once."""

from enum import IntEnum
from typing import assert_never

from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    SetSwitch,
    SettleFunding,
    Trigger,
    TriggerOrder,
    Uncross,
    Withdraw,
)


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
    above is entered by what does not reduce risk. ``until`` 0 is no later than any block's time, so
    it can only end an agent: a stolen key must not outlast a closed gate. Only the book knows
    whether an amend adds risk, so each waits as if it did; so does a triggered order, unless who
    watches it knows better.
    """
    match command:
        case PlaceOrders():
            return Lane.TAKING if command.amends else _lane_of_orders(command.orders)
        case CancelAll() | SetSwitch() | Expire() | Disconnected():
            return Lane.REDUCING
        case AdjustMargin():
            return Lane.REDUCING if command.amount > 0 else Lane.TAKING
        case ApproveAgent():
            return Lane.TAKING if command.until else Lane.REDUCING
        case Withdraw() | TriggerOrder():
            return Lane.TAKING
        case Liquidate():
            return Lane.LIQUIDATION
        case OpenBlock() | Deposit() | OracleRound() | SettleFunding() | Uncross():
            return Lane.SYSTEM
        case _:
            assert_never(command)


_NEVER_TAKE = (OrderType.POST_ONLY, OrderType.SLIDE)


def _lane_of_orders(orders: tuple[NewOrder, ...]) -> Lane:
    lane = Lane.REDUCING
    for order in orders:
        if not order.reduce_only:
            if order.type not in _NEVER_TAKE and order.trigger is Trigger.NONE:
                return Lane.TAKING
            lane = Lane.RESTING
    return lane
