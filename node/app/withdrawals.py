"""Proofs of withdrawals, made when somebody asks: a withdrawal's leaf stays in every later state.

So the newest final batch proves all of them, and no proof need be made before it is wanted. The
replica makes it, which has batches to seal: one at a time, and between two of them.

A proof is good for ever, because the contract keeps every root. But the contract has a finality of
its own, and may take a batch later than we call it final: so who asks again is told the same proof,
and not one of a batch that is younger each time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from node.publisher.views import WithdrawalProof
from node.transition.leaves import withdrawal_key
from node.transition.tree.proofs import Proof
from node.types.errors import NotFound, Overloaded

WAITING_MAX: Final = 64
"""Questions that may wait for each other and for the replica."""

PROOFS_KEPT: Final = 1_024
"""Proofs that are told again; × 1.7 KB at 100,000 leaves, 1.7 MB."""


class WithdrawalDesk:
    """Knows which withdrawals there are, and the batch to prove them by."""

    def __init__(
        self, prove: Callable[[int, bytes], Awaitable[tuple[int, Proof]]], last_opened: int
    ) -> None:
        """``prove`` asks for the proof of a key by a batch, or by one before it, and which it is.

        ``last_opened`` is the number of the newest withdrawal, 0 before the first.
        """
        self._prove = prove
        self._last_opened = last_opened
        self._final: int | None = None
        self._lacked: int | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._made: dict[int, WithdrawalProof] = {}

    def opened(self, withdrawal_id: int) -> None:
        """Note a withdrawal that was opened just now."""
        self._last_opened = withdrawal_id

    def finalized(self, batch: int) -> None:
        """Note that ``batch`` is final, the newest such."""
        self._final = batch
        self._lacked = None

    async def find(self, withdrawal_id: int) -> WithdrawalProof:
        """Return the proof.

        Raises ``NotFound`` until its batch is final (``waiting``: it will be), ``Overloaded``.
        """
        if withdrawal_id in self._made:
            return self._made[withdrawal_id]
        self._require_final(withdrawal_id)
        if self._waiting >= WAITING_MAX:
            raise Overloaded(queue="withdrawal_proofs", limit=WAITING_MAX)
        self._waiting += 1
        try:
            async with self._turn:
                # Read only now: while this one waited, the batch may have been let go of.
                final = self._require_final(withdrawal_id)
                try:
                    batch, proof = await self._prove(final, withdrawal_key(withdrawal_id))
                except NotFound:
                    if final == self._final:
                        self._lacked = withdrawal_id
                    raise NotFound(withdrawal=withdrawal_id, waiting=True) from None
        finally:
            self._waiting -= 1
        if len(self._made) >= PROOFS_KEPT:
            del self._made[next(iter(self._made))]
        # Another who asked at the same time may have been told an older one.
        return self._made.setdefault(withdrawal_id, WithdrawalProof(batch, proof))

    def _require_final(self, withdrawal_id: int) -> int:
        """Return the newest final batch. Raises ``NotFound`` where that is known to lack it.

        They are numbered as they are opened: a state that lacks one lacks all that came later. So
        those who wait for the next final batch do not ask the replica each time that they look.
        """
        waiting = 1 <= withdrawal_id <= self._last_opened
        batch = self._final
        lacked = self._lacked is not None and withdrawal_id >= self._lacked
        if not waiting or batch is None or lacked:
            raise NotFound(withdrawal=withdrawal_id, waiting=waiting)
        return batch
