"""The documents as they are served and written: made once, when somebody first asks."""

from functools import cache

import msgspec

from node.app.contract.asyncapi import asyncapi
from node.app.contract.openapi import openapi


@cache
def openapi_text() -> bytes:
    """Return the OpenAPI document as JSON; some milliseconds the first time."""
    return _text(openapi())


@cache
def asyncapi_text() -> bytes:
    """Return the AsyncAPI document as JSON; some milliseconds the first time."""
    return _text(asyncapi())


def _text(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
