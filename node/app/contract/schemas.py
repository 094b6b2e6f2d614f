"""JSON Schemas of the types, as the components of a document."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from node.codec import answers

Schema = dict[str, Any]

REF: Final = "#/components/schemas/{name}"

_ITEMS: Final = (answers.CancelledItem, answers.OrderItem, answers.DoneItem, answers.Failure)
"""What an item of an action may have come to. Their kinds differ by ``status``, and a failure has
none: no tag tells them apart as msgspec would have it, so the union is written here."""


def ref(name: str) -> Schema:
    """Return a reference to the schema called ``name``."""
    return {"$ref": REF.format(name=name)}


def schemas_of(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schema of each of ``types``, and the components that they refer to."""
    wanted = list(types)
    schemas, components = msgspec.json.schema_components([*wanted, *_ITEMS], ref_template=REF)
    if "ActionResult" in components:
        union = {"anyOf": [ref(kind.__name__) for kind in _ITEMS]}
        components["ActionResult"]["properties"]["results"]["items"] = union
    return (
        [_worded(schema) for schema in schemas[: len(wanted)]],
        {name: _worded(components[name]) for name in sorted(components)},
    )


def _worded(schema: Any) -> Any:
    """Return ``schema`` with the docstrings' double backquotes as Markdown has them."""
    if isinstance(schema, dict):
        return {
            key: re.sub(r"``([^`]+)``", r"`\1`", value) if key == "description" else _worded(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list | tuple):
        return [_worded(inner) for inner in schema]
    return schema
