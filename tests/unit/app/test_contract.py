"""The documents of the API: whole, of this code, and the same as the checked-in copies."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import msgspec
import pytest
from aiohttp import web

from node.adapters.http.history_routes import HistoryAsked
from node.adapters.http.probes import Probes
from node.adapters.http.rest import Rest
from node.app.contract import errors
from node.app.contract.asyncapi import asyncapi
from node.app.contract.documents import asyncapi_text, openapi_text
from node.app.contract.openapi import failures_of, openapi
from node.app.contract.rest_table import ENDPOINTS
from node.app.contract.socket_table import CLOSING, EVERY_METHOD, FEEDS, METHODS
from node.capacity.loadline import LoadLine
from node.codec import answers, market_answers, tape_answers
from node.codec.action_types import TRIGGER_NAMES
from node.ingress.conversation import ChannelParams, ClientConversation
from node.publisher.tape import INTERVALS_MS
from node.types import errors as tree
from node.types.feed_states import CANCEL_REASONS, ORDER_STATES
from node.types.rules import Ordering
from tests.examples import RULES

DOCS = Path(__file__).parents[3] / "docs" / "api"


@pytest.mark.parametrize(
    ("name", "text"), [("openapi.json", openapi_text), ("asyncapi.json", asyncapi_text)]
)
def test_the_checked_in_copy_is_what_the_code_makes(name: str, text: Any) -> None:
    assert (DOCS / name).read_bytes() == text(), (
        "run: plimsoll api --openapi docs/api/openapi.json --asyncapi docs/api/asyncapi.json"
    )


def routes() -> set[tuple[str, str]]:
    """Return the routes of the REST side, HEAD apart, which comes with every GET."""
    application = web.Application()
    none: Any = None
    probes = Probes(*[none] * len(Probes.__struct_fields__))
    api: Any = type("Nobody", (), {"action": None, "oracle_round": None})
    Rest(api, none, probes).add_to(application)
    HistoryAsked(none, RULES, rows_max=1).add_to(application)
    return {
        (route.method.lower(), route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def test_every_route_is_documented_and_every_document_has_a_route() -> None:
    assert {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS} == routes()


def test_every_parameter_of_a_path_is_documented() -> None:
    for endpoint in ENDPOINTS:
        named = {one.name for one in endpoint.parameters if one.where == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", endpoint.path))


def test_every_method_of_a_conversation_is_documented() -> None:
    none: Any = None
    around: Any = type("Around", (), {"ingress": type("Nobody", (), {"take_action": None})})
    conversation = ClientConversation(around, none, none, b"", lambda: False)
    assert [method.name for method in METHODS] == sorted(
        conversation._methods, key=[method.name for method in METHODS].index
    )
    assert {method.name for method in METHODS} == set(conversation._methods)


def test_the_page_for_readers_names_every_endpoint_and_method() -> None:
    page, past = ((DOCS.parent / name).read_text("utf-8") for name in ("API.md", "HISTORY.md"))
    named = set(re.findall(r"(/[\w/.{}]+)", page + past))
    assert {endpoint.path for endpoint in ENDPOINTS} <= named
    assert {f"`{method.name}`" for method in METHODS} <= set(re.findall(r"`\w+`", page))


def test_every_channel_is_documented() -> None:
    kinds = next(
        field for field in msgspec.structs.fields(ChannelParams) if field.name == "channel"
    )
    assert {feed.name for feed in FEEDS} == set(get_args(kinds.type))


def words_of(kind: Any, name: str) -> tuple[str, ...]:
    """Return the words that field ``name`` of ``kind`` may hold."""
    field = next(one for one in msgspec.structs.fields(kind) if one.name == name)
    told = next((one for one in get_args(field.type) if get_args(one)), field.type)
    return get_args(told)


def test_the_names_in_the_types_are_those_of_the_code() -> None:
    assert get_args(answers.Reason) == tuple(CANCEL_REASONS.values())
    assert get_args(answers.OrderState) == ORDER_STATES
    assert get_args(tape_answers.Interval) == tuple(INTERVALS_MS)
    assert words_of(market_answers.MarketAnswer, "ordering") == tuple(map(str, Ordering))
    assert words_of(answers.OpenOrderAnswer, "trigger") == TRIGGER_NAMES[1:]


ELSEWHERE = {
    # The roots of families.
    tree.CommandRejected,
    # The exchange's own commands: no client sends them.
    tree.NotLiquidatable,
    tree.LiquidationStalled,
    tree.FundingNotDue,
    tree.DepositOutOfOrder,
    tree.BlockOutOfOrder,
    tree.FeeOutOfRange,
    tree.NothingExpired,
    tree.NotTriggered,
    tree.SwitchNotSet,
    tree.NothingToUncross,
    tree.AuctionPending,
    # A scheduler of the planner's.
    tree.SchedulerUnavailable,
}
"""Errors of clients and of load that no request is ever answered with."""


def test_every_error_of_a_client_or_of_load_is_named_somewhere() -> None:
    named = {
        kind for endpoint in ENDPOINTS for kinds in failures_of(endpoint).values() for kind in kinds
    }
    named |= {kind for method in METHODS for kind in method.errors}
    named |= {*EVERY_METHOD, *CLOSING}
    told = {kind for kind in errors.every_error() if kind.code < 3_000}
    assert told - named == ELSEWHERE


def test_an_error_has_one_status_wherever_it_is_named() -> None:
    seen: dict[str, set[int]] = {}
    for endpoint in ENDPOINTS:
        for status, kinds in failures_of(endpoint).items():
            for kind in kinds:
                if kind is not tree.Unavailable:
                    seen.setdefault(kind.__name__, set()).add(status)
    assert all(len(statuses) == 1 for statuses in seen.values())


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


@pytest.mark.parametrize("make", [openapi, asyncapi], ids=["openapi", "asyncapi"])
def test_every_reference_leads_somewhere(make: Any) -> None:
    document = msgspec.json.decode(msgspec.json.encode(make()))
    found = set(references(document))
    assert found
    for reference in found:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


@pytest.mark.parametrize("make", [openapi, asyncapi], ids=["openapi", "asyncapi"])
def test_every_schema_is_one(make: Any) -> None:
    document = msgspec.json.decode(msgspec.json.encode(make()))
    schemas = document["components"]["schemas"]
    assert len(schemas) > 20
    for name in schemas:
        root = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema_rs.validator_for(root)
    for schema in schemas.values():
        assert jsonschema_rs.meta.is_valid(schema)


def test_the_load_line_and_its_message_have_the_same_fields() -> None:
    loads = next(feed for feed in FEEDS if feed.name == "load")
    assert loads.messages[0].__struct_fields__ == LoadLine.__struct_fields__
