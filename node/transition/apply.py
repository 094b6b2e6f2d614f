"""``apply``: the only way that the state changes.

Pure and integer: no clock, no randomness, no environment, no float. The same commands give the same
state, byte for byte, on every machine. Each rule validates everything before it changes anything,
so a rejection leaves the state as it was and needs no way back.

The work of one command is bounded by ``Rules.limits``: items of an action, steps of a crossing,
open orders of an account, steps of auto-deleveraging. Only an oracle round and a funding step cost
as much as there are markets.
"""

from typing import assert_never

from node.transition.adjust_margin import adjust_margin
from node.transition.approve_agent import approve_agent
from node.transition.cancel_all import cancel_all
from node.transition.deposit import deposit
from node.transition.disconnected import disconnected
from node.transition.effects import Effects
from node.transition.expire import expire
from node.transition.liquidate import liquidate
from node.transition.open_block import open_block
from node.transition.oracle_round import oracle_round
from node.transition.orders import cancel_others
from node.transition.place_orders import place_orders
from node.transition.set_switch import set_switch
from node.transition.settle_funding import settle_funding
from node.transition.state import State
from node.transition.trigger_order import trigger_order
from node.transition.uncross import uncross
from node.transition.withdraw import withdraw
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    SetSwitch,
    SettleFunding,
    SystemCommand,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.errors import CommandRejected
from node.types.events import Event, Rejected
from node.types.ids import Sequence


def apply(state: State, command: Command) -> tuple[Event, ...]:
    """Apply ``command`` to ``state`` and return what happened.

    A command that cannot apply returns a single ``Rejected`` and leaves the state, and its
    sequence number, untouched.
    """
    effects = Effects(state)
    try:
        _dispatch(effects, command)
    except CommandRejected as error:
        assert not effects.events, "a rejection must come before the first change"
        # Where it was also kept by a frame that it passed, both would be left for the collector.
        error.__traceback__ = None
        return (Rejected(error.code, type(error).__name__, error.values),)
    if effects.others:
        cancel_others(effects)
    state.sequence = Sequence(state.sequence + 1)
    return effects.finish()


def _dispatch(effects: Effects, command: Command) -> None:
    match command:
        case PlaceOrders():
            place_orders(effects, command)
        case CancelAll():
            cancel_all(effects, command)
        case AdjustMargin():
            adjust_margin(effects, command)
        case Withdraw():
            withdraw(effects, command)
        case ApproveAgent():
            approve_agent(effects, command)
        case SetSwitch():
            set_switch(effects, command)
        case _:
            _dispatch_unsigned(effects, command)


def _dispatch_unsigned(effects: Effects, command: SystemCommand) -> None:
    match command:
        case Liquidate():
            liquidate(effects, command)
        case TriggerOrder():
            trigger_order(effects, command)
        case Expire():
            expire(effects, command)
        case Disconnected():
            disconnected(effects, command)
        case Uncross():
            uncross(effects, command)
        case OracleRound():
            oracle_round(effects, command)
        case SettleFunding():
            settle_funding(effects)
        case Deposit():
            deposit(effects, command)
        case OpenBlock():
            open_block(effects, command)
        case _:
            assert_never(command)
