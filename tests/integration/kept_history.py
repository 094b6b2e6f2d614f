"""A history beside a node without processes: it is written when it is asked, unless it is held."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from node.adapters.history_pages import HistoryPages
from node.adapters.history_store import HistoryStore
from node.adapters.identity import Identity
from node.history.record import Recorder, recorded
from node.types.durable import DurableBlock
from node.types.history import Question
from node.types.history_rows import RecordedBlock
from tests.examples import DOMAIN, RULES

QUERY_MS = 5_000


class KeptHistory:
    """An outlet of the sequencer, and a ``node.ports.history.HistoryReader`` of what it took."""

    def __init__(self, url: str) -> None:
        self.held_for = 0
        """With so many questions to come nothing is written: the history is behind."""
        self._store = HistoryStore(url, Identity.of(DOMAIN, RULES), RULES)
        self._pages = HistoryPages(url, RULES, QUERY_MS)
        self._recorder = Recorder({})
        self._blocks: list[RecordedBlock] = []

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[Self]:
        """Keep one in a folder of its own, as long as it is needed."""
        with TemporaryDirectory() as folder:
            history = cls(f"sqlite:///{Path(folder) / 'history.sqlite'}")
            try:
                yield history
            finally:
                history.close()

    def close(self) -> None:
        self._pages.close()
        self._store.close()

    def offer(self, item: DurableBlock, now_ns: int) -> None:  # noqa: ARG002
        self._blocks.append(recorded(item))

    async def wait_for_room(self) -> None:
        """Return at once: a test's blocks are few."""

    async def page(self, question: Question, address: str) -> bytes:  # noqa: ARG002
        if self.held_for:
            self.held_for -= 1
        elif self._blocks:
            blocks, self._blocks = self._blocks, []
            group, gathering = self._recorder.group(blocks)
            self._store.append(group)
            self._recorder.keep(gathering)
        return self._pages.page(question)
