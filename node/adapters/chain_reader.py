"""What L1 holds of one rollup, read through one endpoint and checked against itself.

Everything is read as of one block, so that answers belong together. What contradicts itself is
refused with ``ChainDisagrees``: an event without its transaction, calldata that does not say what
the event says, a rollup whose rules hash is not that of its rules. Whether the log itself is right
is the verifier's question; that needs nothing but what is read here. What a contract answers is
worth no more than its code, so that is held against the artifacts.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from node.adapters.artifacts import load_artifact
from node.codec.l1_calls import (
    BATCH_COUNT,
    BATCH_POSTED,
    DEPOSIT_COUNT,
    DEPOSITED,
    FINALITY_BLOCKS,
    GENESIS_ROOT,
    INBOX,
    INBOX_TOKEN,
    LATEST_ROOT,
    RULES_HASH,
    SEQUENCER,
    WORD,
    L1Function,
    address_answer,
    deposit_of,
    posted_batch,
)
from node.ports.chain import ChainHistory, L1Block, L1Log, Tag
from node.ports.chain_reader import InboxEntry, PostedBatch, RollupTerms, RollupTip
from node.ports.log_span import LogSpan
from node.types.blocks import BatchHeader, Domain
from node.types.errors import CallReverted, ChainDisagrees, ChainUnavailable, WrongContract
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Millis

LOG_BLOCKS_MAX: Final = 10_000
"""L1 blocks asked for at once; halved when the endpoint refuses so many, and doubled again."""

LOG_BLOCKS_MIN: Final = 10
"""An endpoint that does not answer for so few is away."""

TRANSACTIONS_AT_ONCE: Final = 8
PAUSES_S: Final = (0.2, 1.0)
"""A request that got no answer, or half of one, is repeated after these pauses, then given up."""

OPENED: Final = keccak256(b"Opened(bytes,bytes32)")

T = TypeVar("T")


class RollupReader:
    """A ``node.ports.chain_reader.ChainReader`` of the rollup at ``rollup``.

    ``from_block`` is an L1 block not after the rollup's own; the later, the less there is to scan.
    """

    def __init__(
        self,
        chain: ChainHistory,
        rollup: Address,
        *,
        from_block: int = 0,
        log_blocks_max: int = LOG_BLOCKS_MAX,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """Read nothing yet."""
        self._chain = chain
        self._rollup = rollup
        self._from_block = from_block
        self._span = LogSpan(log_blocks_max, LOG_BLOCKS_MIN)
        self._pauses_s = pauses_s
        self._head: L1Block | None = None

    async def terms(self) -> RollupTerms:
        """Return what the rollup was created with."""
        rules_hash = bytes(RULES_HASH.answer(await self._view(self._rollup, RULES_HASH))[0])
        logs = await self._all_logs(self._rollup, OPENED, 1)
        if len(logs) != 1:
            await self._require_standing()
            raise ChainDisagrees(what="Opened events", expected=1, found=len(logs))
        rules, genesis_root = _decode("Opened", ("bytes", "bytes32"), logs[0].data)
        if keccak256(rules) != rules_hash:
            raise ChainDisagrees(what="rules", expected=rules_hash, found=keccak256(rules))
        stored_root = bytes(GENESIS_ROOT.answer(await self._view(self._rollup, GENESIS_ROOT))[0])
        if genesis_root != stored_root:
            raise ChainDisagrees(what="genesis root", expected=stored_root, found=genesis_root)
        inbox = address_answer(INBOX, await self._view(self._rollup, INBOX))
        blocks = FINALITY_BLOCKS.answer(await self._view(self._rollup, FINALITY_BLOCKS))[0]
        terms = RollupTerms(
            Domain(await self._patient(self._chain.chain_id), bytes(self._rollup)),
            rules,
            genesis_root,
            sequencer=address_answer(SEQUENCER, await self._view(self._rollup, SEQUENCER)),
            finality_blocks=blocks,
            inbox=inbox,
            token=address_answer(INBOX_TOKEN, await self._view(inbox, INBOX_TOKEN)),
        )
        return msgspec.structs.replace(terms, foreign=await self._foreign(terms))

    async def _foreign(self, terms: RollupTerms) -> tuple[str, ...]:
        """Return the contracts whose code is not what the artifacts' constructors leave.

        All of it is compared, and each immutable at every place where it stands: a contract that
        tells one sequencer and obeys another has other code.
        """
        head = await self._block()
        rollup = {
            "sequencer": terms.sequencer,
            "finalityBlocks": terms.finality_blocks.to_bytes(WORD, "big"),
            "rulesHash": keccak256(terms.rules),
            "genesisRoot": terms.genesis_root,
            "inbox": terms.inbox,
        }
        inbox = {"rollup": self._rollup, "token": terms.token}
        foreign: list[str] = []
        for name, address, values in (
            ("Rollup", self._rollup, rollup),
            ("Inbox", terms.inbox, inbox),
        ):
            code = await self._patient(partial(self._chain.code, address, head.hash))
            if code != load_artifact(name).runtime(values):
                foreign.append(f"{name} at 0x{address.hex()}")
        return tuple(foreign)

    async def deposits(self) -> tuple[InboxEntry, ...]:
        """Return every deposit, in the order of the inbox."""
        inbox = address_answer(INBOX, await self._view(self._rollup, INBOX))
        count = DEPOSIT_COUNT.answer(await self._view(inbox, DEPOSIT_COUNT))[0]
        logs = await self._all_logs(inbox, DEPOSITED, count)
        found = [deposit_of(log.topics, log.data) for log in logs]
        in_turn = all(deposit.index == place for place, deposit in enumerate(found))
        if len(found) != count or not in_turn:
            await self._require_standing()
            raise ChainDisagrees(what="deposits", expected=count, found=len(found))
        return tuple(InboxEntry(one.index, one.account, one.amount) for one in found)

    async def tip(self) -> RollupTip:
        """Return how many batches the contract has accepted, and the root after the last."""
        root = LATEST_ROOT.answer(await self._view(self._rollup, LATEST_ROOT))[0]
        return RollupTip(await self._batch_count(), bytes(root))

    async def batches(self) -> AsyncGenerator[PostedBatch, None]:
        """Yield what was posted, in the order of the chain.

        Raises ``ChainUnavailable`` at the end when an L1 reorg came in between: start again.
        """
        logs = await self._all_logs(self._rollup, BATCH_POSTED, await self._batch_count())
        for start in range(0, len(logs), TRANSACTIONS_AT_ONCE):
            for posted in await self._all_posted(logs[start : start + TRANSACTIONS_AT_ONCE]):
                # The first in the order of the chain names the place, whichever was found first.
                if isinstance(posted, BaseException):
                    raise posted
                yield posted
        await self._require_standing()

    async def _batch_count(self) -> int:
        return int(BATCH_COUNT.answer(await self._view(self._rollup, BATCH_COUNT))[0])

    async def _all_posted(self, logs: Sequence[L1Log]) -> list[PostedBatch | BaseException]:
        """Return the batches behind some events, or what is wrong with each; all asked at once."""
        return await asyncio.gather(*map(self._posted, logs), return_exceptions=True)

    async def _posted(self, log: L1Log) -> PostedBatch:
        """Return the batch behind one ``BatchPosted`` event."""
        index, data_hash, announced = _announced(log)
        found = await self._complete(
            lambda: self._patient(lambda: self._chain.transaction(log.transaction)),
            lambda transaction: transaction is not None,
        )
        if found is None or found.to != self._rollup:
            await self._require_standing()
            raise ChainDisagrees(what="transaction", batch=index, transaction=log.transaction)
        try:
            header, data = posted_batch(found.input)
        except ChainDisagrees as error:
            raise ChainDisagrees(batch=index, **error.values) from None
        for field, expected in announced.items():
            given = getattr(header, field)
            if given != expected:
                raise ChainDisagrees(what=field, batch=index, expected=expected, found=given)
        mined = await self._patient(lambda: self._chain.block(log.block_number))
        if mined is None:
            raise ChainUnavailable(detail="an L1 reorg while reading", block=log.block_number)
        return PostedBatch(
            header,
            data,
            data_hash,
            log.block_number,
            log.transaction,
            Millis(1_000 * mined.time_s),
        )

    async def _block(self) -> L1Block:
        """Return the L1 block as of which everything is read."""
        if self._head is None:
            self._head = await self._patient(lambda: self._chain.block(Tag.LATEST))
            if self._head is None:
                raise ChainUnavailable(detail="the chain has no blocks")
        return self._head

    async def _require_standing(self) -> None:
        """Make sure that what was read is of one chain, before it is held against anybody.

        Logs and transactions come by number and by hash, which an ordinary reorg of the newest
        blocks parts. Raises ``ChainUnavailable``.
        """
        head = await self._block()
        now = await self._patient(lambda: self._chain.block(head.number))
        if now is None or now.hash != head.hash:
            raise ChainUnavailable(detail="an L1 reorg while reading", block=head.number)

    async def _view(self, contract: Address, function: L1Function) -> bytes:
        """Return the answer of a view. Raises ``WrongContract`` where ``contract`` has none."""
        head = await self._block()
        try:
            answer = await self._patient(
                lambda: self._chain.call(contract, function.encode(), head.hash)
            )
            function.answer(answer)
        except (CallReverted, ChainDisagrees) as error:
            raise WrongContract(address=contract, detail=str(error)) from None
        return answer

    async def _all_logs(self, contract: Address, topic: bytes, count: int) -> list[L1Log]:
        """Return the ``count`` events with ``topic`` of ``contract``, or what there is of them."""
        return await self._complete(
            lambda: self._logs(contract, topic), lambda logs: len(logs) == count
        )

    async def _logs(self, contract: Address, topic: bytes) -> list[L1Log]:
        """Return the events with ``topic`` of ``contract``, in the order of the chain."""
        logs: list[L1Log] = []
        start, last = self._from_block, (await self._block()).number
        # A first refusal is about the number of blocks as a rule, and waiting does not mend that.
        pauses_s, refusals = (0.0, *self._pauses_s), 0
        while start <= last:
            end = min(last, start + self._span.blocks - 1)
            try:
                found = await self._chain.logs(contract, (topic,), start, end)
            except ChainUnavailable:
                if self._span.fewest and refusals >= len(pauses_s):
                    raise
                self._span.refused()
                await asyncio.sleep(pauses_s[min(refusals, len(pauses_s) - 1)])
                refusals += 1
                continue
            for log in found:
                if log.address != contract or log.topics[:1] != (topic,):
                    raise ChainDisagrees(what="event", expected=topic, found=log.topics[:1])
            logs += found
            start, refusals = end + 1, 0
            self._span.answered()
        return logs

    async def _complete(
        self, ask: Callable[[], Awaitable[T]], is_complete: Callable[[T], bool]
    ) -> T:
        """Return an answer that is complete, or the last one after as many pauses as patience has.

        Behind one address there are often several endpoints, and one that has not seen a block yet
        leaves out what stands in it, without an error.
        """
        for pause_s in self._pauses_s:
            answer = await ask()
            if is_complete(answer):
                return answer
            await asyncio.sleep(pause_s)
        return await ask()

    async def _patient(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer; ask again when there is none, a few times."""
        for pause_s in self._pauses_s:
            try:
                return await ask()
            except ChainUnavailable:
                await asyncio.sleep(pause_s)
        return await ask()


def _announced(log: L1Log) -> tuple[int, bytes, dict[str, object]]:
    """Return index, data hash and what else a ``BatchPosted`` event says of the header."""
    if len(log.topics) != 2:
        raise ChainDisagrees(what="BatchPosted", topics=len(log.topics))
    index = int.from_bytes(log.topics[1], "big")
    kinds = ("bytes32", "uint64", "uint64", "uint64", "bytes32")
    new_root, first, last, cursor, data_hash = _decode("BatchPosted", kinds, log.data)
    announced = {
        "index": index,
        "new_root": new_root,
        "first_sequence": first,
        "last_sequence": last,
        "inbox_cursor": cursor,
    }
    assert announced.keys() < set(BatchHeader.__struct_fields__)
    return index, data_hash, announced


def _decode(event: str, kinds: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    try:
        return tuple(decode(kinds, data))
    except (DecodingError, OverflowError, ValueError) as error:
        raise ChainDisagrees(what=event, detail=str(error)) from None
