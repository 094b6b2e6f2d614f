"""What was asked over one connection after another and waits for its answer."""

import asyncio
import itertools
from typing import Any

import aiohttp
import msgspec

from node.client.errors import ConnectionLost, error_from_body
from node.client.subscription import Message
from node.types.errors import PlimsollError

Asked = asyncio.Future[Message]
"""The result of a request, or what the server refused it with."""


class Requests:
    """Requests by their ids, and the frames of those that are not written yet."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, Asked] = {}
        self._outbox: list[bytes] = []
        self._filled = asyncio.Event()

    def add(self, method: str, params: Message, deadline_ms: int | None = None) -> Asked:
        """Queue a request; return the future of its result."""
        request_id = next(self._ids)
        future: Asked = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        body = {"id": request_id, "method": method, "params": params}
        if deadline_ms is not None:
            body["deadline_ms"] = deadline_ms
        self._outbox.append(msgspec.json.encode(body))
        self._filled.set()
        return future

    async def write_to(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Write what is queued, until the connection breaks."""
        while True:
            await self._filled.wait()
            try:
                for frame in self.frames():
                    await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
            except (aiohttp.ClientError, OSError):
                # It broke under the frame: whoever reads is about to notice.
                await socket.close()
                return

    def frames(self) -> list[bytes]:
        """Take all frames that are to be written."""
        self._filled.clear()
        frames, self._outbox = self._outbox, []
        return frames

    def take(self, message: Message) -> tuple[Asked, Message | PlimsollError] | None:
        """Return which request ``message`` answers and with what; None if nobody waits for it.

        The caller settles the future. Raises what reading the answer raises, and the request then
        fails with the connection: only an answer that could be read is one.
        """
        refused = "error" in message
        told = error_from_body(message["error"]) if refused else message["result"]
        future = self._waiting.pop(message["id"], None)
        return None if future is None or future.done() else (future, told)

    def lose(self, **values: Any) -> None:
        """Fail what waits with a ``ConnectionLost`` of ``values``: the connection is gone."""
        self._outbox.clear()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost(**values))

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)
