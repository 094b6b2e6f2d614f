"""A body comes in time, or its request ends: one that never came would hold the connection."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Middleware

from node.adapters.http.rest import Handler


def body_deadline(limit_s: float) -> Middleware:
    """Return a middleware that reads the body before the handler does, for at most ``limit_s``.

    What is read stays with the request. Raises ``HTTPRequestTimeout`` past the limit.
    """

    @web.middleware
    async def body_in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.can_read_body:
            try:
                async with asyncio.timeout(limit_s):
                    await request.read()
            except TimeoutError:
                raise web.HTTPRequestTimeout(reason="the body did not come in time") from None
        return await handler(request)

    return body_in_time
