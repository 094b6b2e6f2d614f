"""What a reader of a book compares its own copy with, after every message.

The CRC-32 (IEEE, as in zlib and PNG; an unsigned number) of the ASCII text

    bid,bid,…;ask,ask,…

over the best ``CHECKSUM_DEPTH`` entries of each side, best first. There is always one semicolon,
also between sides that are empty. An entry is ``price:size`` in the book of levels and
``order_id:price:remaining`` in the book of orders, each number as the feed writes it.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final
from zlib import crc32

CHECKSUM_DEPTH: Final = 25


def book_checksum(bids: Iterable[str], asks: Iterable[str]) -> int:
    """Return the checksum over the first entries of both sides, which come best first."""
    best_bids = ",".join(islice(bids, CHECKSUM_DEPTH))
    best_asks = ",".join(islice(asks, CHECKSUM_DEPTH))
    return crc32(f"{best_bids};{best_asks}".encode("ascii"))


def best_checksum(bid: Sequence[str] | None, ask: Sequence[str] | None) -> int:
    """Return the checksum of the best level of each side, (price, size); None: the side is empty.

    It is that of a book which has no other levels.
    """
    bids, asks = ([] if level is None else [level_entry(*level)] for level in (bid, ask))
    return book_checksum(bids, asks)


def level_entry(price: str, size: str) -> str:
    """Return the entry of a level."""
    return f"{price}:{size}"


def order_entry(order_id: int, price: str, remaining: str) -> str:
    """Return the entry of an order."""
    return f"{order_id}:{price}:{remaining}"
