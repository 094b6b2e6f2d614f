"""What L1 took for batches, by the receipts of whatever transactions brought them there.

A receipt may be missing for a while, and for good where the endpoint keeps no history. So a batch
waits for its own as long as it is not final, and for ``COST_TRIES`` more questions after that. What
a failed attempt cost is not counted where its receipt comes after the next attempt has landed.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from node.codec.l1_calls import BATCH_POSTED
from node.ports.chain import Chain, L1Receipt
from node.types.errors import ChainUnavailable
from node.types.ids import Address

COST_TRIES: Final = 5
"""Questions without an answer after which the receipt of a final batch is given up."""

_log = structlog.get_logger(__name__)


class Spending(msgspec.Struct, frozen=True, gc=False):
    """What L1 took for the batches that stand on it, and for transactions that failed."""

    gas_used: int
    wei: int
    failed_wei: int


class Costs:
    """Which batches' receipts are found, and which are looked for."""

    def __init__(self, chain: Chain, rollup: Address) -> None:
        self._chain = chain
        self._rollup = rollup
        self._receipts: dict[int, L1Receipt] = {}
        self._uncounted: dict[int, int] = {}
        self._tries_left: dict[int, int] = {}
        self._spent = Spending(0, 0, 0)
        self.unanswered = False
        """Whether L1 kept silent when it was last asked for a receipt."""
        self.included: Callable[[int, L1Receipt], None] = _unheard
        """Hears in which transaction a batch came onto L1, some time after it did."""

    @property
    def spending(self) -> Spending:
        """Return what L1 took for every batch that this process knows or knew."""
        receipts = self._receipts.values()
        return Spending(
            gas_used=self._spent.gas_used + sum(receipt.gas_used for receipt in receipts),
            wei=self._spent.wei + sum(receipt.fee for receipt in receipts),
            failed_wei=self._spent.failed_wei,
        )

    @property
    def unaccounted(self) -> int:
        """Return the batches on L1 whose receipt is not found yet; ``included`` tells of them."""
        return len(self._uncounted)

    def posted(self, index: int, block: int) -> None:
        """Look for the receipt of batch ``index``, which came onto L1 in ``block``."""
        self._uncounted[index] = block

    def dropped(self, index: int) -> None:
        """Forget the receipt of batch ``index``, which L1 does not have any more."""
        self._uncounted.pop(index, None)
        self._receipts.pop(index, None)

    def final(self, index: int) -> None:
        """Count what batch ``index`` cost for good, or look for it a few times more."""
        self._add_up(self._receipts.pop(index, None))
        if index in self._uncounted:
            self._tries_left[index] = COST_TRIES

    def failed(self, receipt: L1Receipt) -> None:
        """Count a transaction that was mined and failed; it costs all the same."""
        self._spent = msgspec.structs.replace(
            self._spent, failed_wei=self._spent.failed_wei + receipt.fee
        )

    async def count(self) -> None:
        """Find the receipts of what was posted, whichever process sent it.

        An endpoint that answers everything but this holds nothing up; the next turn asks again.
        """
        for index, block in list(self._uncounted.items()):
            topics = (BATCH_POSTED, index.to_bytes(32, "big"))
            detail, self.unanswered = "", False
            try:
                logs = await self._chain.logs(self._rollup, topics, block, block)
                receipt = await self._chain.receipt(logs[0].transaction) if logs else None
            except ChainUnavailable as error:
                receipt, detail, self.unanswered = None, error.detail, True
            if receipt is not None:
                del self._uncounted[index]
                self._note(index, receipt)
            else:
                self._missed(index, detail)
            if self.unanswered:
                return

    def _note(self, index: int, receipt: L1Receipt) -> None:
        if self._tries_left.pop(index, 0):
            self._add_up(receipt)
        else:
            self._receipts[index] = receipt
        self.included(index, receipt)
        _log.info(
            "batch_cost",
            batch=index,
            transaction=receipt.transaction.hex(),
            gas_used=receipt.gas_used,
            wei=receipt.fee,
        )

    def _missed(self, index: int, detail: str) -> None:
        """Ask for the others first, and give up one that is final and was asked for enough."""
        block = self._uncounted.pop(index)
        tries_left = self._tries_left.pop(index, None)
        if tries_left == 1:
            # The endpoint has let go of it already, and says so with nothing or an error.
            _log.warning("batch_cost_unknown", batch=index, block=block, detail=detail)
            return
        self._uncounted[index] = block
        if tries_left is not None:
            self._tries_left[index] = tries_left - 1

    def _add_up(self, receipt: L1Receipt | None) -> None:
        if receipt is not None:
            self._spent = msgspec.structs.replace(
                self._spent,
                gas_used=self._spent.gas_used + receipt.gas_used,
                wei=self._spent.wei + receipt.fee,
            )


def _unheard(index: int, receipt: L1Receipt) -> None:
    """Nobody asked to be told where batches are."""
