"""Who keeps the history, and who answers from it; both run beside the event loop."""

from typing import Protocol

from node.types.history import HistoryMark, Question, Row
from node.types.ids import Sequence


class HistoryWriter(Protocol):
    """Writes what it is given, each block once, however often it is asked.

    All raise ``HistoryUnavailable`` while the database does not answer, ``HistoryUnusable`` or
    ``WrongChain`` where it is not this exchange's, ``StateDiverged`` where it is of another log.
    """

    async def mark(self) -> HistoryMark:
        """Return up to where history is written."""
        ...

    async def write(self, blocks: bytes) -> HistoryMark:
        """Write ``blocks`` (see ``node.history.record``) and return where history then ends.

        What is there already is left out; where they do not follow it, nothing is written.
        """
        ...

    async def catch_up(self, until: Sequence) -> HistoryMark:
        """Write some more from the log, up to command ``until``, which is durable.

        Raises ``HistoryGap`` where the log does not reach back to where history ends.
        """
        ...

    async def put_batches(self, rows: list[Row]) -> None:
        """Write ``rows`` in the place of what is told of the same batches."""
        ...


class HistoryReader(Protocol):
    """Answers questions about the past, off the event loop."""

    async def page(self, question: Question, address: str) -> bytes:
        """Return the JSON body of a page of rows, for whoever asks from ``address``.

        Raises ``Overloaded`` where too many wait for an answer, ``HistoryUnavailable`` and
        ``DeadlineExceeded``.
        """
        ...
