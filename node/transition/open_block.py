"""Time enters the log here and nowhere else."""

from node.transition.effects import Effects
from node.types.commands import OpenBlock
from node.types.errors import BlockOutOfOrder, ValueOutOfRange
from node.types.events import BlockOpened
from node.types.units import LAG_MAX

TIME_MAX = 2**63 - 1
"""The latest block time. What is computed ahead of it, as funding times, still fits its leaf."""


def open_block(effects: Effects, command: OpenBlock) -> None:
    """Open the next block at its time. Raises ``BlockOutOfOrder`` or ``ValueOutOfRange``."""
    state = effects.state
    if command.number != state.block + 1 or not state.time <= command.time <= TIME_MAX:
        raise BlockOutOfOrder(
            number=command.number, expected=state.block + 1, time=command.time, now=state.time
        )
    if not 0 <= command.lag <= LAG_MAX:
        raise ValueOutOfRange(field="lag", low=0, high=LAG_MAX)
    state.block = command.number
    state.time = command.time
    state.fee = command.fee
    state.lag = command.lag
    effects.events.append(BlockOpened(command.number, command.time, command.fee, command.lag))
