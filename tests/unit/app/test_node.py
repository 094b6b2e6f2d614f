"""A node as it is put together, before anything of it runs."""

from pathlib import Path

from node.app.node import Node
from node.types.ids import Sequence
from node.types.marks import Mark, Standing
from node.types.units import Millis
from tests.unit.app.laid_folder import lay_log
from tests.unit.transition.example_log import example_log


async def test_what_l1_has_at_the_start_waits_for_nothing(tmp_path: Path) -> None:
    config, base = await lay_log(tmp_path, example_log(), sealed=5, posted=3)
    node = Node(config, base)
    backlog = node.batcher.backlog
    assert backlog.batches == 2
    # A reorg took batch 2 before the first look, so it is sent again.
    for index in (2, 3):
        node._on_mark(Mark(index, Standing.PENDING, Sequence(0), block=-1, time=Millis(0)))
    assert (backlog.batches, backlog.returned) == (3, 1)
    await base.close()
