"""Time enters the log here and nowhere else, and with it the price of work."""

from node.transition.effects import Effects
from node.transition.state import State
from node.types.commands import OpenBlock
from node.types.errors import AuctionPending, BlockOutOfOrder, FeeOutOfRange, ValueOutOfRange
from node.types.events import BlockOpened
from node.types.fees import fee_range
from node.types.units import LAG_MAX, Millis, Money

TIME_MAX = 2**63 - 1
"""The latest block time. What is computed ahead of it, as funding times, still fits its leaf."""


def open_block(effects: Effects, command: OpenBlock) -> None:
    """Open the next block at its time.

    Raises ``AuctionPending``, ``BlockOutOfOrder``, ``ValueOutOfRange`` or ``FeeOutOfRange``.
    """
    state = effects.state
    if state.gathering:
        raise AuctionPending(market=min(state.gathering))
    if command.number != state.block + 1 or not state.time <= command.time <= TIME_MAX:
        raise BlockOutOfOrder(
            number=command.number, expected=state.block + 1, time=command.time, now=state.time
        )
    if not 0 <= command.lag <= LAG_MAX:
        raise ValueOutOfRange(field="lag", low=0, high=LAG_MAX)
    low, high = next_fees(state, command.time)
    if not low <= command.fee <= high:
        raise FeeOutOfRange(fee=command.fee, low=low, high=high)
    state.fee_anchor = next_anchor(state, command.time, command.fee)
    state.block = command.number
    state.block_first_id = state.next_order_id
    state.time = command.time
    state.fee = command.fee
    state.lag = command.lag
    effects.events.append(BlockOpened(command.number, command.time, command.fee, command.lag))


def next_fees(state: State, time: Millis) -> tuple[Money, Money]:
    """Return the lowest and the highest price that a next block at ``time`` may have.

    Within a step all blocks move from one price, the anchor. Each further step allows one more move
    from the price as it is.
    """
    rules = state.rules.fees
    steps = rules.steps(state.time, time)
    if steps > 0:
        return fee_range(rules, state.fee, steps)
    return fee_range(rules, state.fee_anchor, 1)


def next_anchor(state: State, time: Millis, fee: Money) -> Money:
    """Return what later blocks in the step of ``time`` move from, if its first charges ``fee``.

    It is the price with which the step can have begun: of those that the steps before it allowed,
    the nearest to ``fee``. So after a pause no block has to take back what the one before it moved.
    """
    rules = state.rules.fees
    steps = rules.steps(state.time, time)
    if steps <= 0:
        return state.fee_anchor
    low, high = fee_range(rules, state.fee, steps - 1)
    return Money(min(max(fee, low), high))


def highest_fee(state: State, time: Millis, fee: Money, until: Millis) -> Money:
    """Return the highest price of any block up to ``until``, once one at ``time`` charges ``fee``.

    None of the arguments is checked: ``fee`` must be one that the block may charge.
    """
    rules = state.rules.fees
    return fee_range(rules, next_anchor(state, time, fee), rules.steps(time, until) + 1)[1]
