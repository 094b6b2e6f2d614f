"""Which rows a batch has on its way to L1."""

import pytest

from node.history import batches
from node.history.batches import BatchLedger
from node.types.blocks import Batch, BatchHeader
from node.types.ids import Sequence
from node.types.marks import Mark, Standing
from node.types.units import Millis


def batch(index: int) -> Batch:
    first = Sequence(10 * index + 1)
    header = BatchHeader(index, bytes(32), b"\x07" * 32, first, Sequence(first + 9), 0, ())
    return Batch(header, b"data", "age", index)


def mark(index: int, standing: Standing, block: int = -1) -> Mark:
    return Mark(index, standing, Sequence(10 * index + 10), block, Millis(0))


def test_a_batch_is_told_of_from_sealed_to_final() -> None:
    ledger = BatchLedger()
    ledger.sealed(batch(3))
    (row,) = ledger.take()
    assert row["status"] == "sealed"
    assert (row["first_sequence"], row["last_sequence"], row["data_bytes"]) == (31, 40, 4)
    ledger.moved(mark(3, Standing.PENDING))
    ledger.moved(mark(3, Standing.POSTED, 77))
    (row,) = ledger.take()
    assert (row["status"], row["l1_block"], row["l1_transaction"]) == ("posted", 77, None)
    ledger.included(3, b"\x05" * 32)
    ledger.moved(mark(3, Standing.FINAL, 77))
    (row,) = ledger.take()
    assert (row["status"], row["l1_transaction"]) == ("final", "0x" + "05" * 32)
    ledger.moved(mark(3, Standing.FINAL, 77))
    assert ledger.unwritten == 0


def test_a_transaction_that_is_known_late_is_still_told() -> None:
    ledger = BatchLedger()
    ledger.sealed(batch(0))
    ledger.moved(mark(0, Standing.FINAL, 5))
    ledger.take()
    ledger.included(0, b"\x05" * 32)
    (row,) = ledger.take()
    assert row["l1_transaction"] == "0x" + "05" * 32


def test_a_reorg_takes_block_and_transaction_back() -> None:
    ledger = BatchLedger()
    ledger.sealed(batch(0))
    ledger.moved(mark(0, Standing.POSTED, 5))
    ledger.included(0, b"\x05" * 32)
    ledger.moved(mark(0, Standing.SEALED))
    (row,) = ledger.take()
    assert (row["status"], row["l1_block"], row["l1_transaction"]) == ("sealed", None, None)


def test_a_stored_batch_is_told_of_only_when_there_is_news() -> None:
    ledger = BatchLedger()
    ledger.stored(batch(0))
    ledger.sealed(batch(0))
    assert ledger.take() == []
    ledger.moved(mark(0, Standing.POSTED, 5))
    assert len(ledger.take()) == 1


def test_rows_that_were_not_written_come_again_with_what_changed_since() -> None:
    ledger = BatchLedger()
    ledger.sealed(batch(0))
    ledger.included(0, b"\x05" * 32)
    ledger.moved(mark(0, Standing.FINAL, 5))
    taken = ledger.take()
    ledger.give_back(taken)
    assert ledger.take() == taken
    assert ledger.take() == []


def test_what_waits_and_what_is_never_told_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "UNWRITTEN_MAX", 3)
    monkeypatch.setattr(batches, "FINAL_UNKNOWN_MAX", 2)
    ledger = BatchLedger()
    for index in range(5):
        ledger.sealed(batch(index))
        ledger.moved(mark(index, Standing.FINAL, 9))
    assert (ledger.unwritten, ledger.lost) == (3, 2)
    assert [row["number"] for row in ledger.take()] == [2, 3, 4]
    for index in range(5):
        ledger.included(index, b"\x05" * 32)
    assert ledger.unwritten == 2


def test_a_batch_that_is_let_go_unwritten_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "UNWRITTEN_MAX", 3)
    ledger = BatchLedger()
    for index in range(50):
        ledger.sealed(batch(index))
        ledger.included(index, b"\x05" * 32)
        ledger.moved(mark(index, Standing.FINAL, 9))
    assert list(ledger._rows) == list(ledger._final) == [47, 48, 49]
    taken = ledger.take()
    assert not ledger._rows
    ledger.sealed(batch(50))
    ledger.give_back(taken)
    # The database was away once more: what has waited longest is let go of, wherever it is told.
    assert ledger._final.keys() == {47, 48, 49}
    assert [row["number"] for row in ledger.take()] == [47, 48, 49]
    assert not ledger._rows
