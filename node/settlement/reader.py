"""Looks at L1: what one decision needs, read as of one block.

Contract and account are read by the *hash* of the head, so that a look never mixes two forks. The
standing of blocks below it is taken from L1's own ``safe`` and ``finalized``, or from a depth.
"""

import asyncio
from typing import Final

from node.codec.l1_calls import (
    BATCH_COUNT,
    BATCHES,
    DEPOSIT_COUNT,
    LATEST_ROOT,
    BatchRecord,
    batch_record,
)
from node.ports.chain import Chain, L1Block, Tag
from node.settlement.config import SettlementConfig
from node.settlement.contracts import Contracts
from node.settlement.look import Look
from node.settlement.tracker import Tracker
from node.types.errors import CallReverted, ChainUnavailable
from node.types.ids import Address

FEE_BLOCKS: Final = 10
"""Blocks whose tips are looked at."""


class Reader:
    """Looks at the rollup, its inbox and the account that posts."""

    def __init__(
        self, chain: Chain, contracts: Contracts, account: Address, config: SettlementConfig
    ) -> None:
        self._chain = chain
        self._contracts = contracts
        self._account = account
        self._config = config

    async def look(self, tracker: Tracker) -> Look:
        """Return what L1 is now. Raises ``ChainUnavailable``."""
        head = await self._head(tracker.anchor)
        kept, account, contracts, fees, numbers = await asyncio.gather(
            self._stands(tracker.anchor, head),
            self._account_at(head),
            self._contracts_at(head),
            self._chain.fees(FEE_BLOCKS),
            standing(self._chain, head, self._config),
        )
        posted, latest_root, deposits = contracts
        asked = tracker.unchecked(posted, kept=kept)
        records = await self._records(asked, head)
        await self._require_unmoved(head, posted, latest_root)
        return Look(
            head=head,
            kept=kept,
            batch_count=posted,
            latest_root=latest_root,
            inbox_count=deposits,
            nonce=account[0],
            pending_nonce=account[1],
            safe_number=numbers[0],
            final_number=numbers[1],
            fees=fees,
            records=dict(zip(asked, records, strict=True)),
        )

    async def _records(self, asked: tuple[int, ...], head: L1Block) -> tuple[BatchRecord, ...]:
        try:
            return tuple(await asyncio.gather(*(self._record(index, head) for index in asked)))
        except CallReverted as error:
            raise ChainUnavailable(detail=f"a batch that was counted is gone: {error}") from error

    async def _require_unmoved(self, head: L1Block, posted: int, latest_root: bytes) -> None:
        """Make sure that the state did not move while it was read.

        An endpoint may answer for a block whose successor it is just applying, now with the one
        state, now with the other, and so with the count of one and the root of the other. Raises
        ``ChainUnavailable``: the next look will find it settled.
        """
        count_again, root_again = await self._rollup_at(head)
        if (count_again, root_again) != (posted, latest_root):
            raise ChainUnavailable(
                detail=f"one block, two states: {posted} batches, root 0x{latest_root.hex()}, "
                f"then {count_again}, 0x{root_again.hex()}"
            )

    async def _head(self, anchor: L1Block | None) -> L1Block:
        """Return the newest block. An endpoint that shows an older one than before lags behind.

        Behind one address there are often several endpoints, not all at the same height: what the
        slower one has not seen yet was not dropped.
        """
        head = await self._chain.block(Tag.LATEST)
        if head is None:
            raise ChainUnavailable(detail="the endpoint has no latest block")
        if anchor is not None and head.number < anchor.number:
            raise ChainUnavailable(
                detail=f"the endpoint is behind: block {head.number}, seen {anchor.number}"
            )
        return head

    async def _account_at(self, head: L1Block) -> tuple[int, int]:
        """Return the account's next nonce without and with the transactions that wait."""
        mined, pending = await asyncio.gather(
            self._chain.nonce(self._account, head.hash),
            self._chain.nonce(self._account, Tag.PENDING),
        )
        return mined, pending

    async def _contracts_at(self, head: L1Block) -> tuple[int, bytes, int]:
        """Return the number of batches, the root after them, and the number of deposits."""
        rollup, deposits = await asyncio.gather(
            self._rollup_at(head),
            self._chain.call(self._contracts.inbox, DEPOSIT_COUNT.encode(), head.hash),
        )
        return *rollup, int(DEPOSIT_COUNT.answer(deposits)[0])

    async def _rollup_at(self, head: L1Block) -> tuple[int, bytes]:
        """Return the number of batches and the root after them."""
        rollup = self._contracts.rollup
        posted, root = await asyncio.gather(
            self._chain.call(rollup, BATCH_COUNT.encode(), head.hash),
            self._chain.call(rollup, LATEST_ROOT.encode(), head.hash),
        )
        return int(BATCH_COUNT.answer(posted)[0]), bytes(LATEST_ROOT.answer(root)[0])

    async def _stands(self, anchor: L1Block | None, head: L1Block) -> bool:
        """Return whether ``anchor`` is an ancestor of the head, or was never known."""
        if anchor is None or anchor.hash == head.hash:
            return True
        found = await self._chain.block(anchor.number)
        return found is not None and found.hash == anchor.hash

    async def _record(self, index: int, head: L1Block) -> BatchRecord:
        calldata = BATCHES.encode(index)
        return batch_record(await self._chain.call(self._contracts.rollup, calldata, head.hash))


async def standing(chain: Chain, head: L1Block, config: SettlementConfig) -> tuple[int, int]:
    """Return the numbers of the last safe and the last final block below ``head``, -1 for none."""
    safe = await _number(chain, config.safe_depth, Tag.SAFE, head)
    final = await _number(chain, config.final_depth, Tag.FINALIZED, head)
    return safe, min(safe, final)


async def _number(chain: Chain, depth: int | None, tag: Tag, head: L1Block) -> int:
    if depth is not None:
        return head.number - depth
    block = await chain.block(tag)
    return -1 if block is None else block.number
