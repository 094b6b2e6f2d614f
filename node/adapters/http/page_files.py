"""The page at ``/``: a few fixed files, held in memory, and the JavaScript of the plotly package.

Whoever looks at the page must cost the exchange nothing. So nothing is read from disk while a
request waits, nothing is compressed twice, a browser that has a file is told so (304), and of what
does not go out in one piece at most ``_IN_FLIGHT_MAX`` answers are under way at a time. Each file
has a route of its own: no name that a client sends ever becomes a path.
"""

import asyncio
import gzip
import hashlib
import importlib.util
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from node.adapters.http.rest import Handler
from node.types.errors import Overloaded
from node.types.networks import network_of

_TEXT: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_PLOTLY = "plotly.min.js"
_IN_FLIGHT_MAX = 32
_EACH = _IN_FLIGHT_MAX // 4
"""Of one address: who reads slowly, by however many connections, must not be all who read."""
_CHUNK_BYTES = 65_536

_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""No inline script, no inline style, nothing from elsewhere. Plotly's bundle needs no exception:
``index.html`` tells it to bring no style of its own, and no chart here takes what it evaluates."""

_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Asked for each time, and answered with 304: a new release of the node shows at once.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


class PageFile(msgspec.Struct, frozen=True):
    """One file as it is sent: whole, and compressed."""

    content_type: str
    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "PageFile":
        """Return the file ``name`` with the content ``body``, compressed once and for all."""
        return cls(
            content_type=_TEXT[Path(name).suffix],
            plain=body,
            packed=gzip.compress(body, compresslevel=6, mtime=0),
            tag=hashlib.sha256(body).hexdigest()[:32],
        )


class Page:
    """The routes ``/`` and ``/page/…``."""

    def __init__(self) -> None:
        folder = files("node.adapters.http") / "page"
        self._files = {
            entry.name: PageFile.of(entry.name, entry.read_bytes())
            for entry in folder.iterdir()
            if Path(entry.name).suffix in _TEXT
        }
        self._reading = asyncio.Lock()
        self._under_way: Counter[str] = Counter()

    def add_to(self, application: web.Application) -> None:
        """Add every file's route to ``application``; aiohttp answers HEAD along with GET."""
        for name in (*self._files, _PLOTLY):
            path = "/" if name == "index.html" else f"/page/{name}"
            application.router.add_get(path, self._serving(name))

    def _serving(self, name: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            file = self._files.get(name) or await self._plotly()
            packed = "gzip" in request.headers.get("Accept-Encoding", "")
            if len(file.packed if packed else file.plain) <= _CHUNK_BYTES:
                return await self._send(request, file, packed=packed)
            with self._slot(network_of(request.remote or "")):
                return await self._send(request, file, packed=packed)

        return handle

    @contextmanager
    def _slot(self, address: str) -> Iterator[None]:
        """Count one answer under way to ``address``. Raises ``Overloaded``."""
        under_way = self._under_way
        if under_way[address] >= _EACH:
            raise Overloaded(queue="page_of_an_address", limit=_EACH)
        if under_way.total() >= _IN_FLIGHT_MAX:
            raise Overloaded(queue="page", limit=_IN_FLIGHT_MAX)
        under_way[address] += 1
        try:
            yield
        finally:
            under_way[address] -= 1
            if not under_way[address]:
                del under_way[address]

    async def _plotly(self) -> PageFile:
        """Return plotly's JavaScript, read and compressed when it is first asked for.

        That takes a third of a second, which a node that nobody looks at need not spend; it is done
        in a thread, where zlib and the hash let the event loop run on.
        """
        async with self._reading:
            file = self._files.get(_PLOTLY)
            if file is None:
                file = await asyncio.to_thread(read_plotly)
                self._files[_PLOTLY] = file
        return file

    async def _send(
        self, request: web.Request, file: PageFile, *, packed: bool
    ) -> web.StreamResponse:
        body = file.packed if packed else file.plain
        tag = f"{file.tag}-gz" if packed else file.tag
        response = web.StreamResponse(headers=_HEADERS)
        response.etag = tag
        known = request.if_none_match or ()
        if any(asked.value in (tag, "*") for asked in known):
            response.set_status(304)
            body = b""
        else:
            response.headers["Content-Type"] = file.content_type
            response.content_length = len(body)
            if packed:
                response.headers["Content-Encoding"] = "gzip"
        await response.prepare(request)
        # What answers HEAD or says 304 has a length at most, and no body.
        if response.status != 304 and request.method != "HEAD":
            # Piece by piece, so that others get their turn.
            view = memoryview(body)
            for start in range(0, len(body), _CHUNK_BYTES):
                await response.write(view[start : start + _CHUNK_BYTES])
        await response.write_eof()
        return response


@cache
def read_plotly() -> PageFile:
    """Return the JavaScript of the installed plotly package; takes a third of a second."""
    # The package is found, not imported: nobody here calls what would take a second to load.
    spec = importlib.util.find_spec("plotly")
    assert spec is not None, "plotly is one of our dependencies"
    assert spec.submodule_search_locations is not None
    (folder,) = spec.submodule_search_locations
    return PageFile.of(_PLOTLY, (Path(folder) / "package_data" / _PLOTLY).read_bytes())
