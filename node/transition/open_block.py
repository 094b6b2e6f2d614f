"""Time enters the log here and nowhere else, and with it the price of work."""

from node.transition.effects import Effects
from node.transition.state import State
from node.types.commands import OpenBlock
from node.types.errors import BlockOutOfOrder, FeeOutOfRange, ValueOutOfRange
from node.types.events import BlockOpened
from node.types.fees import fee_range
from node.types.units import LAG_MAX, Millis, Money

TIME_MAX = 2**63 - 1
"""The latest block time. What is computed ahead of it, as funding times, still fits its leaf."""


def open_block(effects: Effects, command: OpenBlock) -> None:
    """Open the next block at its time.

    Raises ``BlockOutOfOrder``, ``ValueOutOfRange`` or ``FeeOutOfRange``.
    """
    state = effects.state
    if command.number != state.block + 1 or not state.time <= command.time <= TIME_MAX:
        raise BlockOutOfOrder(
            number=command.number, expected=state.block + 1, time=command.time, now=state.time
        )
    if not 0 <= command.lag <= LAG_MAX:
        raise ValueOutOfRange(field="lag", low=0, high=LAG_MAX)
    low, high = next_fees(state, command.time)
    if not low <= command.fee <= high:
        raise FeeOutOfRange(fee=command.fee, low=low, high=high)
    if state.rules.fees.steps(state.time, command.time):
        state.fee_anchor = state.fee
    state.block = command.number
    state.time = command.time
    state.fee = command.fee
    state.lag = command.lag
    effects.events.append(BlockOpened(command.number, command.time, command.fee, command.lag))


def next_fees(state: State, time: Millis) -> tuple[Money, Money]:
    """Return the lowest and the highest price that a next block at ``time`` may have.

    Within a step all blocks move from the price that stood when the step began, the anchor. Each
    further step allows one more move from the price as it is.
    """
    rules = state.rules.fees
    steps = rules.steps(state.time, time)
    if steps:
        return fee_range(rules, state.fee, steps)
    return fee_range(rules, state.fee_anchor, 1)
