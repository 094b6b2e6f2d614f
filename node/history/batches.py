"""What is told of batches: one row each, as news of it comes; the newest state of each is kept."""

from typing import Final

from node.types.blocks import Batch
from node.types.history import Row
from node.types.ids import Sequence
from node.types.marks import Mark, Standing

UNWRITTEN_MAX: Final = 100_000
"""Rows that wait for the database; past it the oldest are let go, and a rebuild from L1 finds them.
At a batch every two seconds that is more than two days."""

FINAL_UNKNOWN_MAX: Final = 1_000
"""Final batches that wait to be told their L1 transaction, which the endpoint may have lost."""


class BatchLedger:
    """Follows batches from being sealed until they are final and written."""

    def __init__(self) -> None:
        """Know of none."""
        self._rows: dict[int, Row] = {}
        self._unwritten: dict[int, None] = {}
        self._final: dict[int, None] = {}
        self.lost = 0

    @property
    def unwritten(self) -> int:
        """Return how many rows wait to be written."""
        return len(self._unwritten)

    def stored(self, batch: Batch) -> None:
        """Note a batch that was sealed before the start: its row is written at the next news."""
        header = batch.header
        self._rows[header.index] = batch_row(
            header.index,
            header.first_sequence,
            header.last_sequence,
            len(batch.data),
            header.new_root,
        )

    def sealed(self, batch: Batch) -> None:
        """Note a batch that has just been sealed."""
        if batch.header.index not in self._rows:
            self.stored(batch)
            self._changed(batch.header.index)

    def moved(self, mark: Mark) -> None:
        """Note where a batch stands now."""
        row = self._rows.get(mark.index)
        if row is None:
            return
        row["status"] = mark.standing.name.lower()
        if mark.standing < Standing.POSTED:
            row["l1_block"] = row["l1_transaction"] = None
        else:
            row["l1_block"] = mark.block
        if mark.standing is Standing.FINAL:
            self._final[mark.index] = None
        self._changed(mark.index)

    def included(self, index: int, transaction: bytes) -> None:
        """Note the L1 transaction that holds a batch."""
        row = self._rows.get(index)
        if row is not None:
            row["l1_transaction"] = "0x" + transaction.hex()
            self._changed(index)

    def take(self) -> list[Row]:
        """Return the rows that changed since they were last taken."""
        taken = [dict(self._rows[index]) for index in self._unwritten]
        self._unwritten.clear()
        self._forget()
        return taken

    def give_back(self, rows: list[Row]) -> None:
        """Take back rows that could not be written; what has changed since stands before them."""
        for row in rows:
            index = row["number"]
            assert isinstance(index, int)
            self._rows.setdefault(index, row)
            if row["status"] == Standing.FINAL.name.lower():
                self._final[index] = None
            self._changed(index)

    def _changed(self, index: int) -> None:
        self._unwritten[index] = None
        if len(self._unwritten) > UNWRITTEN_MAX:
            # All of it: nobody would ever take the row, so it would stay for good.
            oldest = next(iter(self._unwritten))
            for kept in (self._unwritten, self._rows, self._final):
                kept.pop(oldest, None)
            self.lost += 1

    def _forget(self) -> None:
        """Let go of batches of which nothing more will be heard."""
        known = [index for index in self._final if self._has_transaction(index)]
        unknown = len(self._final) - len(known)
        known += [*self._final][: max(0, unknown - FINAL_UNKNOWN_MAX)]
        for index in dict.fromkeys(known):
            self._rows.pop(index, None)
            del self._final[index]

    def _has_transaction(self, index: int) -> bool:
        row = self._rows.get(index)
        return row is None or row["l1_transaction"] is not None


def batch_row(index: int, first: Sequence, last: Sequence, data_bytes: int, root: bytes) -> Row:
    """Return the row of a batch that is sealed, and no more."""
    return {
        "number": index,
        "first_sequence": first,
        "last_sequence": last,
        "data_bytes": data_bytes,
        "root": "0x" + root.hex(),
        "status": Standing.SEALED.name.lower(),
        "l1_block": None,
        "l1_transaction": None,
    }
