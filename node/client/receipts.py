"""Receipts as the server writes them, read so that they can be kept and checked without it."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from node.types.durable import Receipt
from node.types.errors import MalformedMessage
from node.types.ids import Sequence
from node.types.units import Millis

# What is hashed is 8 bytes wide; msgspec bounds integers by signed 64 bits.
_Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Hash = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{64}\Z")]
_Signature = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{130}\Z")]


class _Told(msgspec.Struct, frozen=True, gc=False):
    sequence: _Number
    number: _Number
    time: _Number
    first_sequence: _Number
    count: _Number
    id: _Hash
    link: _Hash
    hash: _Hash
    signature: _Signature
    following: tuple[_Hash, ...] | None = None


def receipt_from_body(body: dict[str, Any]) -> Receipt:
    """Return the receipt in an action's result, or in the answer to ``GET /receipts/{sequence}``.

    Only the latter brings the ids that follow. Raises ``MalformedMessage`` if it is neither.
    """
    try:
        # A result keeps what the block signs in an object of its own.
        told = msgspec.convert(body | body.get("receipt", {}), _Told)
    except (TypeError, msgspec.ValidationError) as error:
        raise MalformedMessage(detail=str(error)) from error
    following = told.following
    return Receipt(
        sequence=Sequence(told.sequence),
        number=told.number,
        time=Millis(told.time),
        first_sequence=Sequence(told.first_sequence),
        count=told.count,
        action=_bytes(told.id),
        link=_bytes(told.link),
        following=None if following is None else tuple(_bytes(name) for name in following),
        hash=_bytes(told.hash),
        signature=_bytes(told.signature),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
