"""Proofs of withdrawals, made as soon as the batch that opened one is final on L1."""

from collections.abc import Awaitable, Callable, Iterable

import structlog

from node.publisher.views import WithdrawalProof
from node.transition.leaves import withdrawal_key
from node.transition.tree.proofs import Proof
from node.types.errors import NotFound

_log = structlog.get_logger(__name__)


class WithdrawalDesk:
    """Keeps a proof for each withdrawal that can be claimed.

    A proof stays good for ever, because the contract keeps every root; so each is made once.
    """

    def __init__(
        self, prove: Callable[[int, bytes], Awaitable[Proof]], opened: Iterable[int]
    ) -> None:
        """``prove`` asks for the proof of a key in the state after a batch."""
        self._prove = prove
        self._waiting = set(opened)
        self._proofs: dict[int, WithdrawalProof] = {}

    def opened(self, withdrawal_id: int) -> None:
        """Note a withdrawal that was opened just now."""
        self._waiting.add(withdrawal_id)

    async def finalized(self, batch: int) -> None:
        """Make the proofs that the final ``batch`` makes possible."""
        for withdrawal_id in sorted(self._waiting):
            try:
                proof = await self._prove(batch, withdrawal_key(withdrawal_id))
            except NotFound:
                # It was opened after that batch, and so was every later one.
                return
            self._proofs[withdrawal_id] = WithdrawalProof(batch, proof)
            self._waiting.discard(withdrawal_id)
            _log.info("withdrawal_claimable", withdrawal=withdrawal_id, batch=batch)

    def find(self, withdrawal_id: int) -> WithdrawalProof:
        """Return the proof. Raises ``NotFound`` until its batch is final."""
        found = self._proofs.get(withdrawal_id)
        if found is None:
            raise NotFound(withdrawal=withdrawal_id, waiting=withdrawal_id in self._waiting)
        return found
