"""Batches made by hand: columns that say what a test wants them to say, and a frame around them."""

from node.codec.batch import VERSION
from node.codec.columns import COLUMNS, RARE_COLUMNS, Columns, Kind, columns_to_bytes
from node.codec.varint import encode_varints
from tests.unit.codec.example_actions import OWNER

NO_ADDRESSES = b"\x00"


def framed(columns: Columns, tail: bytes = NO_ADDRESSES) -> bytes:
    """Return a stored batch with ``columns``; those not named are empty."""
    names = (*COLUMNS, *RARE_COLUMNS)
    body = b"".join(columns_to_bytes({name: columns.get(name, []) for name in names}))
    return bytes([VERSION, 0]) + encode_varints([len(body)]) + body + tail


ONE_PARTY: Columns = {"party.account": [0], "party.signer": [0]}
ACTION: Columns = {
    "action.party": [0],
    "action.nonce": [0],
    "action.expires_seconds": [0],
    "action.expires_millis": [0],
}
ORDER: Columns = {
    "kind": [Kind.PLACE_ORDERS],
    **ONE_PARTY,
    **ACTION,
    "place.cancels": [0],
    "place.orders": [1],
    "place.max_fee": [0],
    "order.market": [1],
    "order.form": [0],
    "order.price": [2],
    "order.size": [1],
}
SIGNED = b"\x01" + OWNER + bytes(64) + b"\x01"
