"""The checksum of a book, as docs/FEEDS.md defines it."""

import re
from zlib import crc32

from node.codec.checksums import (
    CHECKSUM_DEPTH,
    best_checksum,
    book_checksum,
    level_entry,
    order_entry,
)
from tests.architecture.sources import TOP

PAGE = (TOP / "docs" / "FEEDS.md").read_text(encoding="utf-8")


def test_the_examples_of_the_page_are_right() -> None:
    bids = [level_entry("59999.5", "0.2"), level_entry("59999", "1")]
    asks = [level_entry("60000", "0.5")]
    named = {int(number) for number in re.findall(r"\b\d{10}\b", PAGE)}
    best = best_checksum(("59999.5", "0.2"), ("60001", "2"))
    assert {book_checksum(bids, asks), book_checksum([], []), best} <= named
    assert "`59999.5:0.2,59999:1;60000:0.5`" in PAGE


def test_only_the_best_entries_of_each_side_count() -> None:
    entries = [str(number) for number in range(100)]
    best = ",".join(entries[:CHECKSUM_DEPTH])
    assert book_checksum(entries, entries) == crc32(f"{best};{best}".encode())


def test_an_order_is_told_from_another_of_its_price_and_size() -> None:
    assert order_entry(7, "10", "1") == "7:10:1"
    one, other = order_entry(7, "10", "1"), order_entry(8, "10", "1")
    assert book_checksum([one, other], []) != book_checksum([other, one], [])
