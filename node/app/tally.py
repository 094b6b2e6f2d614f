"""What has happened since the start, counted block by block for ``/stats``."""

from collections import Counter
from collections.abc import Callable
from itertools import chain

from node.types.durable import DurableBlock
from node.types.events import (
    Deleveraged,
    Deposited,
    Filled,
    Liquidated,
    OrderAccepted,
    WithdrawalOpened,
)


class Tally:
    """An outlet of the sequencer that only counts; it always has room."""

    def __init__(self, withdrawal_opened: Callable[[int], None], inbox_cursor: int) -> None:
        """``inbox_cursor`` deposits had entered the log before the start."""
        self._withdrawal_opened = withdrawal_opened
        self.commands = 0
        self.orders = 0
        self.fills = 0
        self.liquidations = 0
        self.deleveragings = 0
        self.inbox_cursor = inbox_cursor
        self.sequence = 0
        self.block = 0

    async def wait_for_room(self) -> None:
        """Return at once."""

    def offer(self, item: DurableBlock, now_ns: int) -> None:
        """Count one durable block; ``now_ns`` is not needed."""
        del now_ns
        self.sequence, self.block = item.block.last_sequence, item.block.number
        self.commands += len(item.block.commands) - 1
        kinds = Counter(map(type, chain.from_iterable(item.events)))
        self.orders += kinds[OrderAccepted]
        self.fills += kinds[Filled]
        self.inbox_cursor += kinds[Deposited]
        self.liquidations += kinds[Liquidated]
        self.deleveragings += kinds[Deleveraged]
        if kinds[WithdrawalOpened]:
            for event in chain.from_iterable(item.events):
                if isinstance(event, WithdrawalOpened):
                    self._withdrawal_opened(event.withdrawal_id)
