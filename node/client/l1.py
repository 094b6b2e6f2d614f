"""The L1 side of an account: getting test dollars, paying in, taking out.

Every step waits until its transaction is in a block, and fails with the contract's own error before
anything is paid for. Amounts are millionths of a dollar.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from node.codec.l1_calls import (
    ALLOWANCE,
    APPROVE,
    BALANCE_OF,
    CLAIM,
    CLAIMED,
    DEPOSIT,
    DEPOSIT_COUNT,
    DEPOSIT_MANY,
    DEPOSITS_PER_CALL_MAX,
    FAUCET,
    FAUCET_LIMIT,
    INBOX,
    INBOX_TOKEN,
    IS_FINAL,
    L1Function,
    address_answer,
)
from node.codec.l1_transactions import Fees, L1Transaction, suggested_fees
from node.ports.chain import Chain, L1Receipt, Sending, Tag
from node.ports.signer import Signer
from node.types.errors import (
    CallReverted,
    ChainDisagrees,
    ChainUnavailable,
    TransactionFailed,
    TransactionUnseen,
    WrongChain,
    WrongContract,
)
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import PPM_ONE, Money, Ppm, part_rounded_up

POLL_S: Final = 0.25
FEE_BLOCKS: Final = 10
TIP_MIN: Final = 1_000_000
RECEIPT_WITHIN_S: Final = 300.0
"""A transaction that is in no block by then waits for fees to fall."""
ERROR_WITHIN_S: Final = 60.0
"""One that was answered with an error is in no block by then: a few would have shown it."""
_DECLINED: Final = (Sending.UNDERPRICED, Sending.UNFUNDED)
"""What only a pool that has not taken a transaction says of it."""
GAS_MARGIN: Final = Ppm(200_000)
"""The state may change between an estimate and the block: a fifth on top is rarely too little."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A withdrawal with the proof that it is in the state tree of batch ``batch``.

    ``bits`` and ``siblings`` are the path from the leaf up to the root, as the node's API or a
    verifier gives them.
    """

    batch: int
    withdrawal: int
    owner: Address
    amount: Money
    bits: tuple[int, ...]
    siblings: tuple[bytes, ...]


class L1Account:
    """One key in front of the contracts of one exchange; one transaction after the other."""

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        chain_id: int,
        rollup: Address,
        inbox: Address,
        token: Address,
    ) -> None:
        self._chain = chain
        self._signer = signer
        self._chain_id = chain_id
        self._turn = asyncio.Lock()
        self.rollup = rollup
        self.inbox = inbox
        self.token = token

    @classmethod
    async def open(
        cls, chain: Chain, signer: Signer, rollup: Address, chain_id: int | None = None
    ) -> "L1Account":
        """Return an account at the exchange of ``rollup``.

        Raises ``WrongChain`` where ``chain_id`` is given and another one answers, ``WrongContract``
        where ``rollup`` is none, ``ChainUnavailable``.
        """
        found = await chain.chain_id()
        if chain_id not in (None, found):
            raise WrongChain(expected=chain_id, found=found)
        try:
            inbox = address_answer(INBOX, await chain.call(rollup, INBOX.encode()))
            token = address_answer(INBOX_TOKEN, await chain.call(inbox, INBOX_TOKEN.encode()))
        except (CallReverted, ChainDisagrees) as error:
            raise WrongContract(address=rollup, detail=str(error)) from error
        return cls(chain, signer, found, rollup, inbox, token)

    @property
    def address(self) -> Address:
        """Return the account's address."""
        return self._signer.address

    async def balance(self) -> Money:
        """Return the dollars that the account has on L1."""
        return Money(await self._number(self.token, BALANCE_OF, self.address))

    async def deposits_made(self) -> int:
        """Return how many deposits the inbox has taken, whoever made them."""
        return await self._number(self.inbox, DEPOSIT_COUNT)

    async def faucet(self, amount: Money) -> None:
        """Pour test dollars, in as many calls as the token's limit asks for."""
        left = amount
        while left > 0:
            part = min(left, FAUCET_LIMIT)
            await self._transact(self.token, FAUCET.encode(self.address, part))
            left = Money(left - part)

    async def deposit(self, account: Address, amount: Money) -> L1Receipt:
        """Pay ``amount`` in for ``account``, letting the inbox take it where it may not yet."""
        await self._allow(amount)
        return await self._transact(self.inbox, DEPOSIT.encode(account, amount))

    async def deposit_many(self, deposits: Sequence[tuple[Address, Money]]) -> list[L1Receipt]:
        """Pay in for many accounts, as many at a time as the inbox takes."""
        await self._allow(Money(sum(amount for _, amount in deposits)))
        receipts = []
        for first in range(0, len(deposits), DEPOSITS_PER_CALL_MAX):
            part = deposits[first : first + DEPOSITS_PER_CALL_MAX]
            calldata = DEPOSIT_MANY.encode([to for to, _ in part], [amount for _, amount in part])
            receipts.append(await self._transact(self.inbox, calldata))
        return receipts

    async def is_claimed(self, withdrawal: int) -> bool:
        """Return whether the withdrawal was paid out."""
        return bool(await self._number(self.inbox, CLAIMED, withdrawal))

    async def is_final(self, batch: int) -> bool:
        """Return whether batch ``batch`` is on L1 and pays out."""
        try:
            return bool(await self._number(self.rollup, IS_FINAL, batch))
        except CallReverted as error:
            if error.error == "UnknownBatch":
                return False
            raise

    async def wait_until_final(self, batch: int) -> None:
        """Return once batch ``batch`` pays out; an endpoint that is away is asked again."""
        while True:
            try:
                if await self.is_final(batch):
                    return
            except ChainUnavailable:
                # Finality takes minutes; an endpoint may well be away for some of them.
                pass
            await asyncio.sleep(POLL_S)

    async def claim_withdrawal(self, claim: Claim) -> L1Receipt:
        """Have a withdrawal paid to its owner; anybody may send it.

        Raises ``CallReverted`` with the contract's error: ``NotFinal``, ``AlreadyClaimed``,
        ``WrongRoot``.
        """
        calldata = CLAIM.encode(
            claim.batch, claim.withdrawal, claim.owner, claim.amount, claim.bits, claim.siblings
        )
        return await self._transact(self.inbox, calldata)

    async def _allow(self, amount: Money) -> None:
        if await self._number(self.token, ALLOWANCE, self.address, self.inbox) < amount:
            await self._transact(self.token, APPROVE.encode(self.inbox, amount))

    async def _number(self, to: Address, function: L1Function, *arguments: Any) -> int:
        answer = await self._chain.call(to, function.encode(*arguments))
        return int(function.answer(answer)[0])

    async def _transact(self, to: Address, data: bytes) -> L1Receipt:
        """Send one transaction and wait for its block.

        Raises ``CallReverted`` and ``ChainUnavailable`` before it is sent; ``TransactionFailed``
        (``transaction``, ``detail``) where L1 has not done it and will not, ``TransactionUnseen``
        where that cannot be known, with the ``detail`` of an error that the endpoint answered with.
        """
        async with self._turn:
            needed = await self._chain.estimate_gas(self.address, to, data)
            transaction = L1Transaction(
                chain_id=self._chain_id,
                nonce=await self._chain.nonce(self.address, Tag.PENDING),
                fees=await self._fees(),
                gas=part_rounded_up(needed, PPM_ONE + GAS_MARGIN, PPM_ONE),
                to=to,
                data=data,
            )
            raw = transaction.signed(self._signer.sign(transaction.digest()))
            within_s, told = RECEIPT_WITHIN_S, {}
            # Where the answer is lost, or is an error of a gateway that passed it on before, it may
            # have arrived all the same: its receipt tells.
            with suppress(ChainUnavailable):
                answer = await self._chain.send(raw)
                if answer.sending in _DECLINED:
                    raise TransactionFailed(transaction=keccak256(raw), detail=answer.detail)
                if answer.sending not in (Sending.TAKEN, Sending.KNOWN):
                    within_s, told = ERROR_WITHIN_S, {"detail": answer.detail}
            return await self._receipt(keccak256(raw), within_s, told)

    async def _fees(self) -> Fees:
        sample = await self._chain.fees(FEE_BLOCKS)
        tips = sorted(sample.tips)
        tip = max(tips[len(tips) // 2] if tips else 0, TIP_MIN)
        return suggested_fees(sample.base_fee, tip)

    async def _receipt(
        self, transaction: bytes, within_s: float, told: Mapping[str, str]
    ) -> L1Receipt:
        """Wait for the receipt of what was sent; an endpoint that is away is asked again.

        Raises ``TransactionUnseen`` with the values ``told``, and ``TransactionFailed``.
        """
        receipt: L1Receipt | None = None
        try:
            async with asyncio.timeout(within_s):
                while receipt is None:
                    with suppress(ChainUnavailable):
                        receipt = await self._chain.receipt(transaction)
                    if receipt is None:
                        await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise TransactionUnseen(transaction=transaction, waited_s=within_s, **told) from error
        if not receipt.succeeded:
            raise TransactionFailed(transaction=transaction, detail="mined and failed")
        return receipt
