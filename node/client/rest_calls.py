"""Single requests over HTTP, beside the socket."""

import aiohttp
import msgspec

from node.client.errors import ConnectionLost, error_from_body
from node.client.subscription import Message


async def call(
    http: aiohttp.ClientSession, url: str, path: str, body: Message | None = None
) -> Message:
    """Return the answer to ``GET url/path``, or with a ``body`` to ``POST`` there.

    Raises the server's error or ``ConnectionLost``.
    """
    data = None if body is None else msgspec.json.encode(body)
    try:
        async with http.request(
            "GET" if data is None else "POST", url + path, data=data
        ) as response:
            answer: Message = msgspec.json.decode(await response.read())
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionLost(path=path, detail=str(error)) from error
    if "error" in answer and response.status >= 400:
        raise error_from_body(answer["error"])
    return answer
