"""What an account has behind it, as the node's history tells it."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from node.client.rest_calls import Get, history_page
from node.client.subscription import Message
from node.types.errors import HistoryUnusable
from node.types.ids import Address, hex_from_address

ROWS: Final = 100
"""Rows that are asked for at once, where as many are wanted, or not all of them count."""

LOOKS: Final = 10
PAUSE_S: Final = 0.2
"""How often, and after which pause, a history is asked that is behind what the node has told."""


async def last_rows(
    get: Get, table: str, account: Address, limit: int, without: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the last ``limit`` rows that name ``account``, the newest first.

    ``sequence`` is the command up to which the history is written; ``without`` are words in the
    column ``status`` of rows that do not count. Raises ``HistoryUnusable`` where there is none.
    """
    stats = await get("/stats")
    if stats["history"] is None:
        raise HistoryUnusable(where="the node", detail="it keeps no history")
    owner, left_out = hex_from_address(account), frozenset(without)
    query: dict[str, object] = {"account": owner, "limit": ROWS if left_out else min(limit, ROWS)}
    page = await _reaching(get, table, query, stats["sequence"])
    sequence, rows = page["sequence"], _counted(page, left_out)
    while len(rows) < limit and page["next"] is not None:
        page = await history_page(get, table, query | {"cursor": page["next"]})
        rows += _counted(page, left_out)
    return {"account": owner, "sequence": sequence, "rows": rows[:limit]}


async def _reaching(get: Get, table: str, query: dict[str, object], reached: int) -> Message:
    """Return the first page, of a history that has come to ``reached`` if it does so soon."""
    page = await history_page(get, table, query)
    for _ in range(LOOKS - 1):
        if page["sequence"] >= reached:
            break
        await asyncio.sleep(PAUSE_S)
        page = await history_page(get, table, query)
    return page


def _counted(page: Message, left_out: frozenset[str]) -> list[dict[str, Any]]:
    return [row for row in page["rows"] if row.get("status") not in left_out]
