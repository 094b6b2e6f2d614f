"""OpenAPI 3.1 of the REST side, made of ``rest_table``."""

from http import HTTPStatus
from typing import Any, Final

import msgspec

from node import __version__
from node.adapters.http.rest import status_of
from node.app.contract.endpoint import Endpoint, Parameter
from node.app.contract.errors import EVERYWHERE, Errors, by_code
from node.app.contract.rest_table import ENDPOINTS, HEADERS
from node.app.contract.schemas import Schema, ref, schemas_of
from node.codec.answers import Failure
from node.types.errors import OversizedMessage, PlimsollError, Unavailable

_INTERNAL: Final = 500
"""The status of whatever a handler of ours did wrong."""

ABOUT: Final = """\
The REST side of a Plimsoll node. Bodies are the same as over WebSocket (/asyncapi.json). Prices,
sizes and money are decimal strings; times are milliseconds. Every failure has the shape of
`Failure`; docs/ERRORS.md says what each code means. Made from the node's own types."""


def openapi() -> Schema:
    """Return the document."""
    types: list[Any] = [Failure]
    for endpoint in ENDPOINTS:
        types += [kind for kind in _types_of(endpoint) if kind is not None]
    schemas, components = schemas_of(types)
    by_type = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Schema] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method] = _operation(endpoint, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Plimsoll", "version": __version__, "description": ABOUT},
        "servers": [{"url": "http://127.0.0.1:8480", "description": "A node on this machine."}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {
                name: {"description": about, "schema": {"type": kind}}
                for name, (kind, about) in HEADERS.items()
            },
        },
    }


def _types_of(endpoint: Endpoint) -> list[Any]:
    return [endpoint.answer, endpoint.body, *endpoint.otherwise.values()]


def _operation(endpoint: Endpoint, by_type: dict[int, Schema]) -> Schema:
    operation: Schema = {
        "operationId": _name(endpoint),
        "summary": endpoint.about,
        "responses": _responses(endpoint, by_type),
    }
    if endpoint.parameters:
        operation["parameters"] = [_parameter(one) for one in endpoint.parameters]
    if endpoint.body is not None:
        content = {"application/json": {"schema": by_type[id(endpoint.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _name(endpoint: Endpoint) -> str:
    words = endpoint.path.strip("/").replace(".", "_").split("/")
    return "_".join([endpoint.method, *(word.strip("{}") for word in words)])


def _parameter(parameter: Parameter) -> Schema:
    schema = msgspec.json.schema(parameter.type)
    if parameter.bounds is not None:
        schema["minimum"], schema["maximum"] = parameter.bounds
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.needed or parameter.where == "path",
        "description": parameter.about,
        "schema": schema,
    }


def _responses(endpoint: Endpoint, by_type: dict[int, Schema]) -> Schema:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in endpoint.headers}
    told = {name: value for name, value in headers.items() if name != "Retry-After"}
    answer = {"type": "string"} if endpoint.answer is None else by_type[id(endpoint.answer)]
    responses = {"200": _response("Done.", answer, endpoint.content, told)}
    for status, kind in endpoint.otherwise.items():
        about = HTTPStatus(status).phrase
        responses[str(status)] = _response(about, by_type[id(kind)], endpoint.content, {})
    for status, kinds in failures_of(endpoint).items():
        schema = {"allOf": [ref("Failure"), _narrowed(kinds)]}
        named = ", ".join(f"{kind.code} {kind.__name__}" for kind in kinds)
        responses[str(status)] = _response(named, schema, "application/json", headers)
    return dict(sorted(responses.items()))


def failures_of(endpoint: Endpoint) -> dict[int, Errors]:
    """Return what ``endpoint`` may fail with, by HTTP status."""
    found: dict[int, list[type[PlimsollError]]] = {}
    sized = (OversizedMessage,) if endpoint.body is not None else ()
    for kind in by_code((*endpoint.errors, *EVERYWHERE, *sized)):
        found.setdefault(status_of(kind.code), []).append(kind)
    found.setdefault(_INTERNAL, []).append(Unavailable)
    return {
        status: by_code(kinds)
        for status, kinds in found.items()
        if status not in endpoint.otherwise
    }


def _narrowed(kinds: Errors) -> Schema:
    """Return the schema of a failure with one of ``kinds``."""
    codes = {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}
    return {"properties": {"error": codes}}


def _response(about: str, schema: Schema, content: str, headers: Schema) -> Schema:
    response: Schema = {"description": about, "content": {content: {"schema": schema}}}
    if headers:
        response["headers"] = headers
    return response
