"""Deposits, in the order of the L1 inbox, each once. Pure: the chain comes in as scanned blocks.

Blocks are scanned only once they are ``inbox_confirmations`` deep, so that an ordinary reorg undoes
no deposit that the log has. What remains is a reorg deeper than that. Then the scan goes back to
the last block that still stands and reads on from there:

- deposits that come again unchanged are recognised and not taken twice;
- deposits that are gone (so far) leave the log ahead of the inbox: batches that took them in wait,
  as the contract would refuse them, and the gate closes behind them;
- a *different* deposit at a number that the log has is money that the exchange credited and L1
  never received: ``ChainDisagrees``, and the node stops. The contract counts deposits and knows
  nothing of what the log took them for, so a batch waits until its own are compared (``standing``).

A scan begins with the deposits that the log took in since the last final state, so all of this
holds in every process alike.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from node.ports.chain import L1Block
from node.types.commands import Deposit
from node.types.errors import ChainDisagrees

ANCHORS: Final = 256
"""Ends of scans that are remembered, to go back to."""
DEPOSITS_REMEMBERED: Final = 50_000
"""So many deposits, the newest, a second scan is compared with; fewer are ever not final."""


class InboxScan:
    """How far the inbox was read, and what must come next."""

    def __init__(self, cursor: int, first_block: int, taken: Sequence[Deposit] = ()) -> None:
        """``cursor``: the deposits that the log has; ``taken`` are the last of them, in order.

        What came before ``taken`` is final. ``first_block``: no deposit stands before it.
        """
        self.cursor = cursor
        self._first_block = first_block
        self._final = cursor - len(taken)
        self._anchors: deque[tuple[L1Block, int]] = deque(maxlen=ANCHORS)
        self._seen = OrderedDict((deposit.index, deposit) for deposit in taken)

    @property
    def next_block(self) -> int:
        """Return the first block that was not scanned."""
        anchor = self.anchor
        return self._first_block if anchor is None else anchor.number + 1

    @property
    def anchor(self) -> L1Block | None:
        """Return the last block that was scanned; what follows holds only while it stands."""
        return self._anchors[-1][0] if self._anchors else None

    @property
    def standing(self) -> int:
        """Return up to which deposit the blocks until ``anchor`` hold what the log has."""
        return self._anchors[-1][1] if self._anchors else self._final

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
            expected = self.standing if previous is None else previous + 1
            if deposit.index > expected or previous not in (None, deposit.index - 1):
                raise ChainDisagrees(
                    what="deposit order", expected=expected, found=deposit.index, block=last.number
                )
            previous = deposit.index
            known = self._seen.get(deposit.index)
            if known is not None and known != deposit:
                raise ChainDisagrees(what="deposit", expected=known, found=deposit)
            if deposit.index == self.cursor + len(fresh):
                fresh.append(deposit)
        self.cursor += len(fresh)
        found = 0 if previous is None else previous + 1
        self._anchors.append((last, max(self.standing, found)))
        for deposit in fresh:
            self._seen[deposit.index] = deposit
        while len(self._seen) > DEPOSITS_REMEMBERED:
            self._seen.popitem(last=False)
        return tuple(fresh)
