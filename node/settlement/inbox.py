"""Deposits, in the order of the L1 inbox, each once. Pure: the chain comes in as scanned blocks.

Blocks are scanned only once they are ``inbox_confirmations`` deep, so that an ordinary reorg undoes
no deposit that the log has. What remains is a reorg deeper than that. Then the scan goes back to
the last block that still stands and reads on from there:

- deposits that come again unchanged are recognised and not taken twice;
- deposits that are gone (so far) leave the log ahead of the inbox: batches that took them in wait,
  as the contract would refuse them, and the gate closes behind them;
- a *different* deposit at a number that the log has is money that the exchange credited and L1
  never received: ``ChainDisagrees``, and the node stops.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final

from node.ports.chain import L1Block
from node.types.commands import Deposit
from node.types.errors import ChainDisagrees

ANCHORS: Final = 256
"""Ends of scans that are remembered, to go back to."""
DEPOSITS_REMEMBERED: Final = 50_000
"""Deposits that a second scan is compared with."""


class InboxScan:
    """How far the inbox was read, and what must come next."""

    def __init__(self, cursor: int, first_block: int) -> None:
        """``cursor``: the deposits that the log has. ``first_block``: none stands before it."""
        self.cursor = cursor
        self._first_block = first_block
        self._anchors: deque[L1Block] = deque(maxlen=ANCHORS)
        self._seen: OrderedDict[int, Deposit] = OrderedDict()

    @property
    def next_block(self) -> int:
        """Return the first block that was not scanned."""
        anchor = self.anchor
        return self._first_block if anchor is None else anchor.number + 1

    @property
    def anchor(self) -> L1Block | None:
        """Return the last block that was scanned; what follows holds only while it stands."""
        return self._anchors[-1] if self._anchors else None

    def step_back(self) -> None:
        """The last scanned block left the chain: scan on from the one before it."""
        self._anchors.pop()

    def scanned(self, last: L1Block, deposits: Iterable[Deposit]) -> tuple[Deposit, ...]:
        """Take in all deposits from ``next_block`` to ``last``; return those that are new.

        Raises ``ChainDisagrees`` where one is missing in between or differs from before; then
        nothing is taken in.
        """
        fresh: list[Deposit] = []
        previous: int | None = None
        for deposit in deposits:
            expected = self.cursor + len(fresh)
            if deposit.index > expected or previous not in (None, deposit.index - 1):
                raise ChainDisagrees(
                    what="deposit order", expected=expected, found=deposit.index, block=last.number
                )
            previous = deposit.index
            known = self._seen.get(deposit.index)
            if known is not None and known != deposit:
                raise ChainDisagrees(what="deposit", expected=known, found=deposit)
            if deposit.index == expected:
                fresh.append(deposit)
        self.cursor += len(fresh)
        self._anchors.append(last)
        for deposit in fresh:
            self._seen[deposit.index] = deposit
        while len(self._seen) > DEPOSITS_REMEMBERED:
            self._seen.popitem(last=False)
        return tuple(fresh)
