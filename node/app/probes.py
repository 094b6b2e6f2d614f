"""What the HTTP server asks of the node itself."""

from typing import TYPE_CHECKING

from node.adapters.http.probes import Probes
from node.adapters.prometheus import PrometheusExporter
from node.app.contract.documents import asyncapi_text, openapi_text
from node.app.stats import stats_of
from node.app.telemetry import telemetry_of

if TYPE_CHECKING:
    from node.app.node import Node


def probes_of(node: "Node") -> Probes:
    """Return the probes of ``node``; each is called on the event loop."""
    exporter = PrometheusExporter(
        node.capacity, node.base.clock.now_ns, lambda: node.load_line().stages
    )
    return Probes(
        faults=node.faults,
        stats=lambda: stats_of(node),
        metrics=exporter.render,
        load=node.load_line,
        telemetry=lambda: telemetry_of(node),
        fee=node.price.quote,
        openapi=openapi_text,
        asyncapi=asyncapi_text,
    )
