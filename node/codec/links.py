"""The hash chain through the ids of a block's commands, as ``node.types.blocks`` defines it."""

from collections.abc import Iterable

from node.types.hashing import keccak256
from node.types.ids import Sequence
from node.types.units import Millis


def chain_ids(link: bytes, ids: Iterable[bytes]) -> list[bytes]:
    """Return ``link`` and every link after it: ``link_i = keccak256(link_(i-1) || id_i)``."""
    links = [link]
    for command_id in ids:
        link = keccak256(link + command_id)
        links.append(link)
    return links


def block_hash(
    number: int, time: Millis, first_sequence: Sequence, count: int, last_link: bytes
) -> bytes:
    """Return ``keccak256(number || time || first_sequence || count || last_link)``.

    Numbers are 8 bytes wide, big-endian.
    """
    head = b"".join(value.to_bytes(8, "big") for value in (number, time, first_sequence, count))
    return keccak256(head + last_link)
