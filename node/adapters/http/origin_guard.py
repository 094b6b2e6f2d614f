"""What a hostile page may not do through the browser of someone who can reach the node.

The API knows no cookie and no session: an action needs its signature and the account feed a signed
login, so a page of another origin can act for nobody. But a browser lends it the place it stands
in. Two ways of that are closed here, for every route:

- *another origin asks*: a browser names the page's origin, also when it opens a WebSocket, which no
  CORS rule would stop. It must be ours, or one of ``http.origins``.
- *another name is bound to our address* (DNS rebinding): the page's origin then looks like ours,
  but the ``Host`` is a name of the attacker's. A node that listens on loopback, or that was told
  its names in ``http.hosts``, answers to no other name. An IP address is no name that could be
  bound anew, so every one of them passes.

Programs that are no browsers send no ``Origin``, and name the host that they were told.

To the pages of ``http.origins`` a browser shows our answers only where these name the page's origin
(the CORS protocol of the Fetch standard), and asks before it sends a body of JSON. Cookies and the
like it is never told to send.
"""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from node.adapters.http.config import HttpConfig
from node.adapters.http.rest import Handler
from node.types.errors import ForeignOrigin, UnknownHost

_SHOWN_MAX = 100

_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "600",
}

Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def origin_guard(config: HttpConfig) -> Middleware:
    """Return the middleware that raises ``UnknownHost`` or ``ForeignOrigin``."""
    origins = frozenset(origin.lower() for origin in config.origins)
    hosts = frozenset(("localhost", *(host.lower() for host in config.hosts)))
    names_matter = bool(config.hosts) or is_loopback(config.host)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        # Not ``request.host``: where the header is missing, that asks the name service and waits.
        host = request.headers.get("Host", "").lower()
        if names_matter and host and not is_ours(host, hosts):
            raise UnknownHost(host=host[:_SHOWN_MAX])
        origin = request.headers.get("Origin")
        if origin is None or is_same(origin.lower(), host):
            return await handler(request)
        if origin.lower() not in origins:
            raise ForeignOrigin(origin=origin[:_SHOWN_MAX])
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204, headers=_PREFLIGHT)
        return await handler(request)

    return guard


def origin_sharing(config: HttpConfig) -> Signal:
    """Return what lets a browser show each answer, an error too, to pages of ``http.origins``."""
    origins = frozenset(origin.lower() for origin in config.origins)

    async def share(request: web.Request, response: web.StreamResponse) -> None:
        if not origins:
            return
        # So that no cache gives one origin's answer to another.
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if origin.lower() in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            # What is left of a budget, and when to come back.
            response.headers["Access-Control-Expose-Headers"] = "*"

    return share


def is_same(origin: str, host: str) -> bool:
    """Return whether a page of ``origin`` came from ``host``; a proxy may change the scheme."""
    return bool(host) and origin.partition("://")[2] == host


def is_ours(host: str, names: frozenset[str]) -> bool:
    """Return whether ``host``, as a request names it, is an address or one of ``names``."""
    name = bare(host)
    return name in names or is_address(name)


def bare(host: str) -> str:
    """Return ``host`` without its port, and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_address(name: str) -> bool:
    """Return whether ``name`` is an IP address, which needs no look-up."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that listens on ``host``."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)
