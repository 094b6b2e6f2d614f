"""JSON-RPC parameters as Python values. Whatever has the wrong form is "invalid params"."""

import re
from typing import Any, Final

import msgspec

from node.adapters.devnet.rpc_errors import invalid_params

BLOCK_TAGS: Final = frozenset({"latest", "pending", "earliest", "safe", "finalized"})
_HEX_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HEX_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")

BlockSelector = int | str | bytes
"""A block number, a tag, or a block hash."""

TopicFilter = tuple[frozenset[bytes] | None, ...]
"""For each position the topics that pass; None passes all."""


class CallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The first parameter of eth_call and eth_estimateGas.

    Without ``gas`` a call may use as much as a block holds.
    """

    sender: bytes
    to: bytes
    data: bytes
    value: int
    gas: int | None


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The parameter of eth_getLogs. An empty ``addresses`` passes every address."""

    first: BlockSelector
    last: BlockSelector
    addresses: frozenset[bytes]
    topics: TopicFilter


def quantity(value: Any) -> int:
    """A hex number of at most 256 bits. Plain JSON integers pass too, as anvil lets them."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and _HEX_QUANTITY.fullmatch(value):
        return int(value, 16)
    raise invalid_params(f"not a hex quantity: {_shown(value)}")


def data(value: Any, length: int | None = None) -> bytes:
    """Hex bytes, of exactly ``length`` where it is given."""
    if isinstance(value, str) and _HEX_DATA.fullmatch(value):
        decoded = bytes.fromhex(value[2:])
        if length is None or len(decoded) == length:
            return decoded
    wanted = "hex data" if length is None else f"{length} bytes of hex data"
    raise invalid_params(f"not {wanted}: {_shown(value)}")


def address(value: Any) -> bytes:
    """Twenty bytes. The capitals of a checksum address are not checked."""
    return data(value, 20)


def flag(value: Any) -> bool:
    """A JSON boolean."""
    if isinstance(value, bool):
        return value
    raise invalid_params(f"not a boolean: {_shown(value)}")


def block_selector(value: Any) -> BlockSelector:
    """A tag, a number, or a hash: bare or in the object form of EIP-1898."""
    if isinstance(value, dict):
        if set(value) <= {"blockHash", "requireCanonical"} and "blockHash" in value:
            return data(value["blockHash"], 32)
        if set(value) == {"blockNumber"}:
            return quantity(value["blockNumber"])
        raise invalid_params("a block object holds blockHash or blockNumber")
    if isinstance(value, str) and value in BLOCK_TAGS:
        return value
    if isinstance(value, str) and len(value) == 66:
        return data(value, 32)
    return quantity(value)


def call_request(value: Any, default_sender: bytes) -> CallRequest:
    """Fees and nonces are ignored: a call costs its sender nothing."""
    fields = _object(value)
    payload = fields.get("input", fields.get("data"))
    return CallRequest(
        sender=address(fields["from"]) if fields.get("from") else default_sender,
        to=address(fields["to"]) if fields.get("to") else b"",
        data=data(payload) if payload else b"",
        value=quantity(fields["value"]) if fields.get("value") else 0,
        gas=quantity(fields["gas"]) if fields.get("gas") else None,
    )


def log_filter(value: Any) -> LogFilter:
    """Either a range of blocks or one block hash, never both."""
    fields = _object(value)
    if fields.get("blockHash") is not None:
        if "fromBlock" in fields or "toBlock" in fields:
            raise invalid_params("blockHash excludes fromBlock and toBlock")
        first = last = block_selector(fields["blockHash"])
    else:
        first = block_selector(fields.get("fromBlock") or "latest")
        last = block_selector(fields.get("toBlock") or "latest")
    return LogFilter(
        first=first,
        last=last,
        addresses=_one_or_many(fields.get("address"), 20) or frozenset(),
        topics=tuple(_one_or_many(topic, 32) for topic in _array(fields.get("topics") or [])),
    )


def _one_or_many(value: Any, length: int) -> frozenset[bytes] | None:
    """None and an empty list both stand for "any", as in the specification of topics."""
    if value is None or value == []:
        return None
    items = value if isinstance(value, list) else [value]
    return frozenset(data(item, length) for item in items)


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise invalid_params(f"not an object: {_shown(value)}")


def _array(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise invalid_params(f"not an array: {_shown(value)}")


def _shown(value: Any) -> str:
    """Enough of a stranger's value to recognise it, never all of it."""
    return repr(value)[:80]
