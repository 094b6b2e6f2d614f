"""The second execution of the log, as the batcher knows it."""

from typing import Protocol

from node.types.blocks import Batch
from node.types.ids import Sequence


class Sealer(Protocol):
    """Makes batches of blocks: encodes them, decodes the bytes again, executes what came out."""

    async def seal(self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str) -> Batch:
        """Return the blocks (MessagePack, from ``first_sequence`` on) as the next batch.

        Where their data would be too many for L1, it is only the first of them: the header tells.
        It is durable then. Raises ``StateDiverged`` when the execution did not agree with what the
        blocks say, ``IntegrityError`` when there is none to ask any more.
        """
        ...
