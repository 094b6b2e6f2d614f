"""The dead man's switch, kept from going off for as long as the program lives and is connected.

    async with armed(trader, within_s=30):
        ...                       # quote; whatever happens to this program, its orders end

The exchange itself cancels the account's orders when it has heard nothing for ``within_s``: no
process of this side has to survive for that. Setting the switch anew every third of that time
leaves room for two that are lost on the way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from node.client.retry import RetryPolicy
from node.client.trader import Trader
from node.types.errors import NothingToCancel, PlimsollError
from node.types.units import Millis

WITHIN_S_MIN: Final = 3.0
"""Shorter than this, a hiccup of the network would take a market maker's quotes away."""

_PARTS: Final = 3
_MS_PER_S: Final = 1_000

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def armed(
    trader: Trader, within_s: float = 30.0, *, on_disconnect: bool = False
) -> AsyncIterator[None]:
    """Keep the switch of the trader's account set while the block runs.

    ``on_disconnect`` also lets the orders go when the account's last connection ends; log in first,
    since without one they go at once. In the end, however the block ends, all orders are cancelled
    and the switch is turned off; if that cannot be said any more, the switch itself does the
    former. Raises ``ValueError`` for less than ``WITHIN_S_MIN``, and what the exchange refuses the
    first setting with.
    """
    if within_s < WITHIN_S_MIN:
        raise ValueError(f"within_s is {within_s}, at least {WITHIN_S_MIN} allowed")
    # Past that, the next one says what this one would have.
    retry = RetryPolicy(within_s=within_s / _PARTS)

    async def arm() -> None:
        cancel_at = Millis(trader.now_ms() + int(within_s * _MS_PER_S))
        await trader.set_switch(cancel_at, on_disconnect=on_disconnect, retry=retry)

    async def keep() -> None:
        while True:
            await asyncio.sleep(within_s / _PARTS)
            try:
                await arm()
            except PlimsollError as error:
                # The next one may get through; if none does, the exchange does what it was told.
                _log.warning("switch_not_set", error=type(error).__name__)

    await arm()
    failed: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(keep())
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised again below, and not wrapped
                failed = error
            finally:
                keeper.cancel()
    finally:
        await _disarm(trader)
    if failed is not None:
        raise failed


async def _disarm(trader: Trader) -> None:
    try:
        with suppress(NothingToCancel):
            await trader.cancel_all()
        await trader.set_switch()
    except PlimsollError as error:
        _log.warning("switch_left_set", error=type(error).__name__)
