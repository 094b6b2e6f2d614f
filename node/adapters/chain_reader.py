"""What L1 holds of one rollup, read over JSON-RPC and checked against itself.

Everything is read as of one block, so that answers belong together. What contradicts itself is
refused with ``ChainDisagrees``: an event without its transaction, calldata that does not say what
the event says, a rollup whose rules hash is not that of its rules. Whether the log itself is right
is the verifier's question; that needs nothing but what is read here.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from eth_abi.exceptions import DecodingError
from hexbytes import HexBytes
from web3 import AsyncWeb3
from web3.contract import AsyncContract
from web3.exceptions import (
    BadFunctionCallOutput,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.types import FilterParams, LogReceipt

from node.adapters.artifacts import load_artifact
from node.codec.l1_calls import posted_batch
from node.ports.chain_reader import InboxEntry, PostedBatch, RollupTerms
from node.types.blocks import BatchHeader, Domain
from node.types.errors import ChainDisagrees, ChainUnavailable, WrongContract
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Money

LOG_BLOCKS_MAX: Final = 10_000
"""L1 blocks asked for at once; halved when the endpoint refuses so many."""

TRANSACTIONS_AT_ONCE: Final = 8

T = TypeVar("T")


class Announced(msgspec.Struct, frozen=True, gc=False):
    """The event of a posted batch."""

    index: int
    new_root: bytes
    first_sequence: int
    last_sequence: int
    inbox_cursor: int
    data_hash: bytes


class Web3ChainReader:
    """A ``node.ports.chain_reader.ChainReader`` of the rollup at ``rollup``.

    ``from_block`` is an L1 block not after the rollup's own; the later, the less there is to scan.
    """

    def __init__(
        self,
        w3: AsyncWeb3[Any],
        rollup: Address,
        *,
        from_block: int = 0,
        log_blocks_max: int = LOG_BLOCKS_MAX,
    ) -> None:
        """Read nothing yet."""
        self._w3 = w3
        self._rollup = rollup
        self._from_block = from_block
        self._log_blocks = log_blocks_max
        address = AsyncWeb3.to_checksum_address(rollup)
        self._contract: AsyncContract = w3.eth.contract(
            address=address, abi=load_artifact("Rollup").abi
        )
        self._head: int | None = None

    async def terms(self) -> RollupTerms:
        """Return what the rollup was created with."""
        await self._require_code()
        rules_hash = bytes(await self._call(self._contract, "rulesHash"))
        logs = await self._logs(self._contract, "Opened")
        if len(logs) != 1:
            raise ChainDisagrees(what="Opened events", expected=1, found=len(logs))
        opened = self._event(self._contract, "Opened", logs[0])
        if keccak256(opened["rules"]) != rules_hash:
            raise ChainDisagrees(
                what="rules", expected=rules_hash, found=keccak256(opened["rules"])
            )
        chain_id = await _answer(self._w3.eth.chain_id)
        return RollupTerms(
            domain=Domain(chain_id=chain_id, rollup=bytes(self._rollup)),
            rules=bytes(opened["rules"]),
            genesis_root=bytes(opened["genesisRoot"]),
        )

    async def deposits(self) -> tuple[InboxEntry, ...]:
        """Return every deposit, in the order of the inbox."""
        address = AsyncWeb3.to_checksum_address(await self._call(self._contract, "inbox"))
        inbox = self._w3.eth.contract(address=address, abi=load_artifact("Inbox").abi)
        entries = tuple(
            InboxEntry(
                index=event["index"],
                account=Address(bytes.fromhex(event["account"][2:])),
                amount=Money(event["amount"]),
            )
            for log in await self._logs(inbox, "Deposited")
            for event in (self._event(inbox, "Deposited", log),)
        )
        count = await self._call(inbox, "count")
        if [entry.index for entry in entries] != list(range(count)):
            raise ChainDisagrees(what="deposits", expected=count, found=len(entries))
        return entries

    async def batch_count(self) -> int:
        """Return the number of batches that the contract has accepted."""
        return int(await self._call(self._contract, "batchCount"))

    async def batches(self) -> AsyncGenerator[PostedBatch, None]:
        """Yield what was posted, in the order of the chain."""
        logs = await self._logs(self._contract, "BatchPosted")
        for start in range(0, len(logs), TRANSACTIONS_AT_ONCE):
            some = logs[start : start + TRANSACTIONS_AT_ONCE]
            for posted in await asyncio.gather(*(self._posted(log) for log in some)):
                yield posted

    async def _posted(self, log: LogReceipt) -> PostedBatch:
        """Return the batch behind one ``BatchPosted`` event."""
        announced = _announced(self._event(self._contract, "BatchPosted", log))
        transaction = log["transactionHash"]
        try:
            found = await _answer(self._w3.eth.get_transaction(transaction))
        except TransactionNotFound:
            raise ChainDisagrees(
                what="transaction is missing", batch=announced.index, transaction=bytes(transaction)
            ) from None
        if found.get("to") != self._contract.address or found["hash"] != transaction:
            raise ChainDisagrees(
                what="transaction", batch=announced.index, transaction=bytes(transaction)
            )
        try:
            header, data = posted_batch(bytes(found["input"]))
        except ChainDisagrees as error:
            raise ChainDisagrees(batch=announced.index, **error.values) from None
        _require_same(announced, header)
        return PostedBatch(
            header, data, announced.data_hash, int(log["blockNumber"]), bytes(transaction)
        )

    async def _require_code(self) -> None:
        head = await self._block()
        address = self._contract.address
        if not await _answer(self._w3.eth.get_code(address, block_identifier=head)):
            raise WrongContract(address=bytes(self._rollup), detail="there is no contract")

    async def _block(self) -> int:
        """Return the L1 block as of which everything is read."""
        if self._head is None:
            self._head = int(await _answer(self._w3.eth.block_number))
        return self._head

    async def _call(self, contract: AsyncContract, name: str) -> Any:
        """Return what a view of ``contract`` answers; ``WrongContract`` where it has none."""
        head = await self._block()
        try:
            return await _answer(contract.functions[name]().call(block_identifier=head))
        except (BadFunctionCallOutput, ContractLogicError) as error:
            address = bytes.fromhex(contract.address[2:])
            raise WrongContract(address=address, detail=f"{name}: {error}") from None

    async def _logs(self, contract: AsyncContract, name: str) -> list[LogReceipt]:
        """Return the events ``name`` of ``contract``, in the order of the chain."""
        topic = HexBytes(contract.events[name]().topic)
        logs: list[LogReceipt] = []
        start, head = self._from_block, await self._block()
        while start <= head:
            end = min(head, start + self._log_blocks - 1)
            wanted: FilterParams = {
                "address": contract.address,
                "topics": [topic],
                "fromBlock": start,
                "toBlock": end,
            }
            try:
                logs += await _answer(self._w3.eth.get_logs(wanted))
            except RequestRefused:
                if self._log_blocks == 1:
                    raise
                self._log_blocks //= 2
                continue
            start = end + 1
        return sorted(logs, key=lambda log: (log["blockNumber"], log["logIndex"]))

    def _event(self, contract: AsyncContract, name: str, log: LogReceipt) -> dict[str, Any]:
        """Return the fields of an event. Raises ``ChainDisagrees`` when ``log`` is not one."""
        try:
            decoded = contract.events[name]().process_log(log)
        except (Web3Exception, DecodingError, ValueError) as error:
            raise ChainDisagrees(what=f"event {name}", detail=str(error)) from None
        if decoded["address"] != contract.address:
            raise ChainDisagrees(what=f"event {name}", detail="of another contract")
        return dict(decoded["args"])


class RequestRefused(ChainUnavailable):
    """The endpoint answered with an error (``detail``)."""


async def _answer(request: Awaitable[T]) -> T:
    """Return what the endpoint answers. Raises ``ChainUnavailable`` when it does not."""
    try:
        return await request
    except TransactionNotFound:
        raise
    except Web3RPCError as error:
        raise RequestRefused(detail=str(error)) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ChainUnavailable(detail=repr(error)) from error


def _announced(event: dict[str, Any]) -> Announced:
    return Announced(
        index=event["index"],
        new_root=bytes(event["newRoot"]),
        first_sequence=event["firstSequence"],
        last_sequence=event["lastSequence"],
        inbox_cursor=event["inboxCursor"],
        data_hash=bytes(event["dataHash"]),
    )


def _require_same(announced: Announced, header: BatchHeader) -> None:
    """Raise ``ChainDisagrees`` unless the calldata says what the contract's event says."""
    for field in ("index", "new_root", "first_sequence", "last_sequence", "inbox_cursor"):
        expected, found = getattr(announced, field), getattr(header, field)
        if expected != found:
            raise ChainDisagrees(
                what=f"calldata, {field}", batch=announced.index, expected=expected, found=found
            )
