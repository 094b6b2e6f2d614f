"""The dead man's switch, kept from going off for as long as the program lives and is connected.

    async with armed(trader, within_s=30):
        ...                       # quote; whatever happens to this program, its orders end

The exchange itself cancels the account's orders when it has heard nothing for ``within_s``: no
process of this side has to survive for that. Setting the switch anew every third of that time
leaves room for two that are lost on the way.

There is one switch for an account, and whoever set it last is whom it waits for. Programs that are
to end each for itself need an account each.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from node.client.errors import ConnectionLost
from node.client.placed import Placed
from node.client.retry import RetryPolicy
from node.client.trader import Trader
from node.types.commands import CancelOrder
from node.types.errors import CommandRejected, PlimsollError
from node.types.ids import hex_from_address
from node.types.units import MS_PER_S, Millis

WITHIN_S_MIN: Final = 3.0
"""Shorter than this, a hiccup of the network would take a market maker's quotes away."""

LOOK_S_MIN: Final = 1.0
"""For so long the account may be read, however short the time of the switch is."""

_PARTS: Final = 3

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def armed(
    trader: Trader, within_s: float = 30.0, *, on_disconnect: bool = False
) -> AsyncIterator[None]:
    """Keep the switch of the trader's account set while the block runs.

    ``on_disconnect`` also lets the orders go when the account's last connection ends; log in first,
    since without one they go at once. In the end, however the block ends, the orders that the
    trader placed within it are cancelled and the switch is turned off. It stays set, and does the
    former, where that cannot be said any more, where an order's answer is still missing, and where
    somebody else was seen to set it too. Raises ``ValueError`` for less than ``WITHIN_S_MIN`` and
    for a trader that is armed already, and what the exchange refuses the first setting with.
    """
    if within_s < WITHIN_S_MIN:
        raise ValueError(f"within_s is {within_s}, at least {WITHIN_S_MIN} allowed")
    if trader.placed is not None:
        raise ValueError("the trader is armed already")
    switch = _Switch(trader, within_s, on_disconnect=on_disconnect)
    await switch.look()
    await switch.set()
    trader.placed = switch.placed
    failed: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(switch.keep())
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised again below, and not wrapped
                failed = error
            finally:
                keeper.cancel()
    finally:
        trader.placed = None
        await switch.leave()
    if failed is not None:
        raise failed


class _Switch:
    """One block's hold on the switch of its trader's account."""

    def __init__(self, trader: Trader, within_s: float, *, on_disconnect: bool) -> None:
        self.placed = Placed()
        self._trader = trader
        self._within_s = within_s
        self._on_disconnect = on_disconnect
        # Past that, the next one says what this one would have.
        self._retry = RetryPolicy(within_s=within_s / _PARTS)
        self._rung = (0, on_disconnect)
        self._own = {(0, False), self._rung}
        self._shared = False

    async def set(self) -> None:
        """Set the switch ``within_s`` ahead."""
        at = Millis(self._trader.now_ms() + int(self._within_s * MS_PER_S))
        own = at, self._on_disconnect
        self._own.add(own)
        await self._trader.set_switch(at, on_disconnect=self._on_disconnect, retry=self._retry)
        self._own = {own, self._rung}

    async def look(self) -> None:
        """Note whether somebody else set the switch, and which orders are open no more."""
        path = f"/account/{hex_from_address(self._trader.wallet.account)}"
        # Setting the switch anew must not wait for long behind it.
        waited_s = max(self._within_s / _PARTS / _PARTS, LOOK_S_MIN)
        try:
            async with asyncio.timeout(waited_s):
                shown = await self._trader.session.get(path)
        except TimeoutError as silence:
            raise ConnectionLost(path=path, waited_s=waited_s) from silence
        switch = shown["switch"]
        if (switch["cancel_at"], switch["on_disconnect"]) not in self._own:
            self._shared = True
        self.placed.look(shown["seq"], {order["order_id"] for order in shown["orders"]})

    async def keep(self) -> None:
        """Set the switch anew, again and again."""
        while True:
            await asyncio.sleep(self._within_s / _PARTS)
            for step in (self.look, self.set):
                try:
                    await step()
                except PlimsollError as error:
                    # The next may get through; if none does, the exchange does what it was told.
                    name = type(error).__name__
                    _log.warning("switch_not_kept", step=step.__name__, error=name)

    async def leave(self) -> None:
        """Cancel what the trader placed; turn the switch off where nothing hangs on it."""
        try:
            # It spares the cancels of what is gone, and tells no more than the look after them.
            with suppress(PlimsollError):
                await self.look()
            await self._cancel()
            await self.look()
            if self.placed.settled and not self._shared:
                await self._trader.set_switch()
            else:
                _log.warning("switch_left_set", shared=self._shared)
        except PlimsollError as error:
            _log.warning("switch_left_set", error=type(error).__name__)

    async def _cancel(self) -> None:
        most = self._trader.session.rules.limits.items_per_action
        cancels = [CancelOrder(number) for number in sorted(self.placed.orders)]
        for first in range(0, len(cancels), most):
            # One that is refused was gone, or is seen to be open by the look that follows.
            with suppress(CommandRejected):
                await self._trader.place((), tuple(cancels[first : first + most]))
