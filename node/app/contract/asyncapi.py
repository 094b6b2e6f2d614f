"""AsyncAPI 3 of the WebSocket, made of ``socket_table``.

The document speaks from the node's side, as AsyncAPI wants it: it *receives* requests and *sends*
answers and feeds. All of them go over the one channel ``/ws``.
"""

from typing import Any, Final

import msgspec

from node import __version__
from node.app.contract.errors import Errors, by_code
from node.app.contract.schemas import Schema, ref, schemas_of
from node.app.contract.socket_table import CLOSING, EVERY_METHOD, FEEDS, METHODS, Feed, Method
from node.codec.answers import ErrorBody
from node.codec.messages import Hello
from node.ingress.conversation import NoParams
from node.ingress.envelope import Envelope

_CHANNEL: Final = {"$ref": "#/channels/ws"}

ABOUT: Final = """\
The WebSocket of a Plimsoll node: a greeting, requests with their answers by id, and feeds. Bodies
are the same as over REST (/openapi.json), and so is `ErrorBody`. Made from the node's own types."""


def asyncapi() -> Schema:
    """Return the document."""
    types: list[Any] = [ErrorBody, Hello]
    types += [kind for method in METHODS for kind in (method.params, method.result)]
    types += [kind for feed in FEEDS for kind in feed.messages]
    schemas, components = schemas_of(types)
    by_type = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    messages: dict[str, Schema] = {"hello": _message("hello", Hello.__doc__, ref("Hello"))}
    for method in METHODS:
        messages |= _messages_of(method, by_type)
    for feed in FEEDS:
        messages[feed.name] = _message(feed.name, feed.about, _any_of(feed, by_type))
    messages["error"] = _message(
        "error",
        "What belongs to no request that could be read, and why a connection is closed.",
        _failure({"type": "null"}, by_code((*EVERY_METHOD, *CLOSING))),
    )
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Plimsoll", "version": __version__, "description": ABOUT},
        "defaultContentType": "application/json",
        "servers": {"node": {"host": "127.0.0.1:8480", "protocol": "ws"}},
        "channels": {
            "ws": {
                "address": "/ws",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": _operations(),
        "components": {"messages": messages, "schemas": components},
    }


def _operations() -> dict[str, Schema]:
    operations: dict[str, Schema] = {
        "greet": {"action": "send", "channel": _CHANNEL, "messages": [_spoken("hello")]}
    }
    for method in METHODS:
        operations[method.name] = {
            "action": "receive",
            "summary": method.about,
            "channel": _CHANNEL,
            "messages": [_spoken(f"{method.name}.request")],
            "reply": {
                "channel": _CHANNEL,
                "messages": [_spoken(f"{method.name}.result"), _spoken(f"{method.name}.error")],
            },
        }
    for feed in FEEDS:
        operations[f"feed.{feed.name}"] = {
            "action": "send",
            "summary": feed.about,
            "channel": _CHANNEL,
            "messages": [_spoken(feed.name)],
        }
    operations["fail"] = {"action": "send", "channel": _CHANNEL, "messages": [_spoken("error")]}
    return operations


def _spoken(name: str) -> Schema:
    return {"$ref": f"#/channels/ws/messages/{name}"}


def _messages_of(method: Method, by_type: dict[int, Schema]) -> dict[str, Schema]:
    """Return request, result and error of ``method``."""
    number, name = _field("id"), method.name
    result = _object({"id": number, "result": by_type[id(method.result)]})
    errors = by_code((*EVERY_METHOD, *method.errors))
    codes = ", ".join(f"{kind.code} {kind.__name__}" for kind in errors)
    return {
        f"{name}.request": _message(
            f"{name}.request", method.about, _request(method, by_type[id(method.params)])
        ),
        f"{name}.result": _message(f"{name}.result", "The answer.", result),
        f"{name}.error": _message(f"{name}.error", f"One of {codes}.", _failure(number, errors)),
    }


def _request(method: Method, params: Schema) -> Schema:
    """Return the envelope of a request; params may be left out where none is needed."""
    schema = _object(
        {"id": _field("id"), "method": {"const": method.name}, "params": params},
        optional={"deadline_ms": _field("deadline_ms")},
    )
    if method.params in (Any, NoParams):
        schema["required"].remove("params")
    return {**schema, "additionalProperties": False}


def _field(name: str) -> Schema:
    """Return the schema of a field of the envelope."""
    field = next(one for one in msgspec.structs.fields(Envelope) if one.name == name)
    return msgspec.json.schema(field.type)


def _failure(number: Schema, kinds: Errors) -> Schema:
    narrowed = {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}
    return _object({"id": number, "error": {"allOf": [ref("ErrorBody"), narrowed]}})


def _object(properties: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def _any_of(feed: Feed, by_type: dict[int, Schema]) -> Schema:
    schemas = [by_type[id(kind)] for kind in feed.messages]
    return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def _message(name: str, about: str | None, payload: Schema) -> Schema:
    return {"name": name, "summary": about or "", "payload": payload}
