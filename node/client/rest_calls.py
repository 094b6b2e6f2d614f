"""Single requests over HTTP, beside the socket."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec

from node.client.errors import UNREADABLE, ConnectionLost, error_from_body
from node.client.subscription import Message

REST_S: Final = 10.0
"""How long all of an answer may take, where nothing else is said."""

Get = Callable[[str], Awaitable[Message]]
"""Returns the answer to a GET of a path."""


async def call(
    http: aiohttp.ClientSession, url: str, path: str, body: Message | None = None
) -> Message:
    """Return the answer to ``GET url/path``, or with a ``body`` to ``POST`` there.

    Raises the server's error or ``ConnectionLost``, also where what answers is no node: a proxy
    before one that is away answers with a page of its own. So where ``http`` has waited too long.
    """
    data = None if body is None else msgspec.json.encode(body)
    try:
        async with http.request(
            "GET" if data is None else "POST", url + path, data=data
        ) as response:
            status, raw = response.status, await response.read()
    except TimeoutError as silence:
        raise ConnectionLost(path=path, waited_s=http.timeout.total) from silence
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionLost(path=path, detail=str(error) or repr(error)) from error
    try:
        answer: Message = msgspec.json.decode(raw, type=dict[str, Any])
        refused = status >= 400 and "error" in answer
        refusal = error_from_body(answer["error"]) if refused else None
    except UNREADABLE as error:
        detail = f"status {status}, and what came with it is not a node's: {error}"
        raise ConnectionLost(path=path, detail=detail) from error
    if refusal is not None:
        raise refusal
    return answer


async def history_page(get: Get, table: str, query: Mapping[str, object]) -> Message:
    """Return a page of the node's history, asked for by ``get``.

    Raises what ``get`` raises, and ``ConnectionLost`` for a page that brings no row and names
    another: who reads on would never come to an end.
    """
    path = f"/history/{table}?{urlencode(query)}"
    page = await get(path)
    if page["next"] is not None and not page["rows"]:
        raise ConnectionLost(path=path, detail="a page without a row names another")
    return page
