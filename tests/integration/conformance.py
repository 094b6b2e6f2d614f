"""What a node says, held against the documents of its API: nothing more, nothing else."""

import re
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from node.app.contract.documents import asyncapi_text, openapi_text

Body = dict[str, Any]

ANY_ERROR = "any.error"
"""An answer to what was no request: which method it meant, nobody can tell."""

NOISE = "noise"
"""The channel of a test that fills sockets: no node speaks on it."""


def closed(schema: Any) -> Any:
    """Return ``schema`` so that no object has a field that stands nowhere in it.

    Readers must bear with new fields, so the published documents allow them. A test must not: a
    field that nobody wrote down would pass it.
    """
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        if inner.get("type") == "object" and "properties" in inner:
            inner.setdefault("additionalProperties", False)
        return inner
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    return schema


def closed_openapi() -> Body:
    """Return the OpenAPI document, closed."""
    document: Body = closed(msgspec.json.decode(openapi_text()))
    return document


class Messages:
    """The messages of the AsyncAPI document by name; ``seen`` are those that came."""

    def __init__(self) -> None:
        document = closed(msgspec.json.decode(asyncapi_text()))
        components = document["components"]
        payloads = {name: one["payload"] for name, one in components["messages"].items()}
        payloads[ANY_ERROR] = {
            "type": "object",
            "properties": {
                "id": {"type": ["integer", "null"]},
                "error": {"$ref": "#/components/schemas/ErrorBody"},
            },
            "required": ["id", "error"],
            "additionalProperties": False,
        }
        schemas = {"schemas": components["schemas"]}
        self._validators = {
            name: jsonschema_rs.validator_for({**payload, "components": schemas})
            for name, payload in payloads.items()
        }
        self.seen: set[str] = set()

    def check(self, name: str, body: Body) -> None:
        """Raise ``AssertionError`` unless ``body`` is the message called ``name``."""
        faults = [str(fault) for fault in self._validators[name].iter_errors(body)]
        assert faults == [], (name, body, faults)
        self.seen.add(name)

    def check_spoken(self, body: Body, method: str | None) -> None:
        """Raise ``AssertionError`` unless the node may say ``body``, as an answer to ``method``."""
        if body.get("channel") == NOISE:
            return
        if "channel" in body:
            self.check(body["channel"], body)
        elif "result" in body:
            # What a test floods a node with are actions.
            self.check(f"{method or 'action'}.result", body)
        elif body.get("id") is None:
            self.check("error", body)
        else:
            self.check(ANY_ERROR if method is None else f"{method}.error", body)


@cache
def messages() -> Messages:
    """Return the messages; the validators are compiled once."""
    return Messages()


class Responses:
    """The answers of the OpenAPI document; ``seen`` are the endpoints that succeeded."""

    def __init__(self) -> None:
        self._document = closed_openapi()
        self._paths = {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): path for path in self._document["paths"]
        }
        self._validators: dict[tuple[str, str, int], jsonschema_rs.Validator] = {}
        self.seen: set[tuple[str, str]] = set()

    def check(self, method: str, target: str, status: int, body: Body) -> None:
        """Raise ``AssertionError`` unless ``target`` may be answered so; others are passed by."""
        asked = target.partition("?")[0]
        path = next((path for shape, path in self._paths.items() if shape.fullmatch(asked)), None)
        if path is None or method not in self._document["paths"][path]:
            return
        validator = self._validator(method, path, status)
        faults = [str(fault) for fault in validator.iter_errors(body)]
        assert faults == [], (method, target, body, faults)
        if status == 200:
            self.seen.add((method, path))

    def _validator(self, method: str, path: str, status: int) -> jsonschema_rs.Validator:
        key = (method, path, status)
        if key not in self._validators:
            told = self._document["paths"][path][method]["responses"]
            assert str(status) in told, (method, path, status)
            (content,) = told[str(status)]["content"].values()
            schema = {**content["schema"], "components": self._document["components"]}
            self._validators[key] = jsonschema_rs.validator_for(schema)
        return self._validators[key]


@cache
def responses() -> Responses:
    """Return the answers; each validator is compiled once."""
    return Responses()
