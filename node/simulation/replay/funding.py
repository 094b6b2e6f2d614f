"""Money for the accounts of a replay: test dollars from the faucet, deposited through the inbox.

Only accounts that the exchange has never seen are funded, so a second replay pays nothing.
"""

import asyncio
from typing import Final

from node.client.l1 import L1Account
from node.client.session import Session
from node.types.errors import Unavailable
from node.types.ids import Address, hex_from_address
from node.types.units import Money

PAYER: Final = 8
"""The devnet account that pays the deposits: the sequencer uses the first, people the next, the
node's faucet the last. Two programs that deposit for one of them take each other's allowance."""

WITHIN_S: Final = 90.0
POLL_S: Final = 0.1


class DepositsUnseen(Unavailable):
    """The deposits are on L1, but the exchange did not show them (``account``) in time."""

    code = 2120


async def fund(session: Session, payer: L1Account, amounts: dict[Address, Money]) -> int:
    """Deposit ``amounts`` and wait until the exchange shows them; return how many were paid.

    Raises what ``L1Account`` raises, and ``DepositsUnseen``.
    """
    if not amounts:
        return 0
    await payer.faucet(Money(sum(amounts.values())))
    await payer.deposit_many(list(amounts.items()))
    # Deposits enter the log in order: when the last one is there, all of them are.
    await _shown(session, next(reversed(amounts)))
    return len(amounts)


async def is_known(session: Session, account: Address) -> bool:
    """Return whether ``account`` ever received anything on the exchange."""
    shown = await session.get(f"/account/{hex_from_address(account)}")
    return bool(shown["seq"])


async def _shown(session: Session, account: Address) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            # The exchange takes deposits in some L1 blocks later; it can only be asked.
            while not await is_known(session, account):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise DepositsUnseen(account=account) from None
