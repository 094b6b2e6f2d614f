"""What has happened since the start, counted block by block for ``/stats``."""

from collections.abc import Callable

from node.types.durable import DurableBlock
from node.types.events import Deleveraged, Filled, Liquidated, OrderAccepted, WithdrawalOpened


class Tally:
    """An outlet of the sequencer that only counts; it always has room."""

    def __init__(self, withdrawal_opened: Callable[[int], None]) -> None:
        self._withdrawal_opened = withdrawal_opened
        self.commands = 0
        self.orders = 0
        self.fills = 0
        self.liquidations = 0
        self.deleveragings = 0
        self.sequence = 0
        self.block = 0

    async def wait_for_room(self) -> None:
        """Return at once."""

    def offer(self, item: DurableBlock, now_ns: int) -> None:
        """Count one durable block; ``now_ns`` is not needed."""
        del now_ns
        self.sequence, self.block = item.block.last_sequence, item.block.number
        self.commands += len(item.block.commands) - 1
        for events in item.events:
            for event in events:
                if isinstance(event, OrderAccepted):
                    self.orders += 1
                elif isinstance(event, Filled):
                    self.fills += 1
                elif isinstance(event, Liquidated):
                    self.liquidations += 1
                elif isinstance(event, Deleveraged):
                    self.deleveragings += 1
                elif isinstance(event, WithdrawalOpened):
                    self._withdrawal_opened(event.withdrawal_id)
