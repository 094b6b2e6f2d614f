"""What operators ask of a running node; the app answers."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec


class Probes(msgspec.Struct, frozen=True):
    """Called on the event loop: ``faults`` for each request, the others as their cost allows.

    ``faults`` are the reasons why the node cannot do its work now, none when it can. ``stats`` is
    whatever msgspec can write as JSON, as are ``load``, the load line, and ``telemetry``, the
    counters behind it, and ``fee``, the price of work. ``metrics`` is the body of a Prometheus
    scrape. ``openapi`` and ``asyncapi`` are the documents of the API, as JSON.
    """

    faults: Callable[[], Iterable[str]]
    stats: Callable[[], Any]
    metrics: Callable[[], bytes]
    load: Callable[[], Any]
    telemetry: Callable[[], Any]
    fee: Callable[[], Any]
    openapi: Callable[[], bytes]
    asyncapi: Callable[[], bytes]
