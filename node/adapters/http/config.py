"""Where and how the server listens: keys with their ranges, all faults in one go."""

import re

import msgspec

from node.types.faults import out_of_ranges, raise_faults

_RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "connections": (1, 100_000),
    "plain_connections": (1, 100_000),
    "origin_connections": (1, 100_000),
    "message_bytes": (1_024, 1 << 20),
    "outbox_bytes": (65_536, 1 << 30),
    "write_timeout_s": (0.05, 600),
    "close_timeout_s": (0.05, 60),
    "drain_timeout_s": (0, 600),
    "heartbeat_s": (1, 3_600),
    "keepalive_s": (1, 3_600),
}
"""Lowest and highest value of each number, both allowed."""


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the server; the allowed ranges stand in ``_RANGES``."""

    host: str = "127.0.0.1"
    """The address to listen on. There is no TLS here: beyond loopback, put a proxy in front."""
    port: int = 8_480
    """The port to listen on; 0 lets the system choose."""
    hosts: tuple[str, ...] = ()
    """The node's names beside ``localhost`` and its addresses. A node on loopback answers to no
    other (see ``origin_guard``); one that listens elsewhere does so once it has a name here."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may talk to the node beside its own, as ``https://trade.example``."""
    connections: int = 1_024
    """The most WebSocket connections at a time."""
    plain_connections: int = 512
    """The most others at a time. Past it one that idles goes; where none does, the newcomer."""
    origin_connections: int = 256
    """The most of either kind from one address. Behind a proxy all clients have the proxy's."""
    message_bytes: int = 66_560
    """The longest message or body: that of the longest action, and its envelope."""
    outbox_bytes: int = 5 << 20
    """What may wait for one reader; past it the connection is cut (``SlowReader``)."""
    write_timeout_s: float = 10.0
    """A connection that took neither all of what waits nor 64 KiB of it for so long is cut; a
    WebSocket after at most twice that."""
    close_timeout_s: float = 2.0
    """How long a client may take to answer a close, or to send the rest of a body that has been
    answered already, before the connection is dropped."""
    drain_timeout_s: float = 10.0
    """How long answers in flight are waited for when the server stops."""
    heartbeat_s: float = 30.0
    """A connection that is silent for so long is pinged, and dropped when no answer comes."""
    keepalive_s: float = 30.0
    """How long a plain HTTP connection may take to its next request, from the last answer to the
    end of its head, and how long that one's body may take."""


def check_http_config(config: HttpConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    faults = out_of_ranges(config, _RANGES)
    if not config.host:
        faults.append("host: empty, an address or a name allowed")
    faults += [
        f"hosts: {name!r}, names without port or scheme allowed"
        for name in config.hosts
        if not name or set(name) & set(":/ ")
    ]
    faults += [
        f"origins: {origin!r}, scheme://name or scheme://name:port allowed"
        for origin in config.origins
        if not re.fullmatch(r"https?://[^/\s]+", origin)
    ]
    raise_faults(faults)
