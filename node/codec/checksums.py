"""What a reader of a book compares its own copy with, after every message.

The CRC-32 (IEEE, as in zlib and PNG; an unsigned number) of the ASCII text

    bid,bid,…;ask,ask,…

over the best ``CHECKSUM_DEPTH`` entries of each side, best first. There is always one semicolon,
also between sides that are empty. An entry is ``price:size`` in the book of levels and
``order_id:price:remaining`` in the book of orders, each number as the feed writes it.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final
from zlib import crc32

CHECKSUM_DEPTH: Final = 25


def book_checksum(bids: Iterable[str], asks: Iterable[str]) -> int:
    """Return the checksum over the first entries of both sides, which come best first."""
    best_bids = ",".join(islice(bids, CHECKSUM_DEPTH))
    best_asks = ",".join(islice(asks, CHECKSUM_DEPTH))
    return crc32(f"{best_bids};{best_asks}".encode("ascii"))


def level_entry(price: str, size: str) -> str:
    """Return the entry of a level."""
    return f"{price}:{size}"


def order_entry(order_id: int, price: str, remaining: str) -> str:
    """Return the entry of an order."""
    return f"{order_id}:{price}:{remaining}"
