"""Test money for whoever asks: a real deposit on L1, from a key that everybody knows.

For a devnet alone: ``require_devnet`` refuses every other chain, whatever the configuration says.
The exchange takes the money in like any other deposit, through its inbox.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from node.adapters.devnet.settings import DEFAULT_CHAIN_ID
from node.codec.answers import FaucetAnswer, FaucetBody
from node.ports.clock import Clock
from node.types.errors import (
    CallReverted,
    ChainUnavailable,
    ConfigInvalid,
    MalformedMessage,
    Overloaded,
    RateLimited,
    TransactionFailed,
)
from node.types.faults import out_of_ranges, raise_faults
from node.types.ids import Address, address_from_hex, hex_from_address
from node.types.networks import network_of
from node.types.units import MONEY_DECIMALS, NS_PER_MS, NS_PER_S, Money, money_text

WAITING_MAX: Final = 16
"""Requests that wait for L1; they are served one after the other, in a block or two each."""
REMEMBERED_MAX: Final = 4_096
"""Accounts, and origins, whose last time is remembered. The least recent is forgotten."""

_RANGES: dict[str, tuple[int, int]] = {
    "dollars": (0, 1_000_000),
    "per_account_s": (0, 30 * 86_400),
    "per_origin_s": (0, 86_400),
}


class FaucetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the faucet; the allowed ranges stand in ``_RANGES``."""

    dollars: int = 0
    """What one request gives; 0: there is no faucet."""
    per_account_s: int = 3_600
    """How long an account waits between two."""
    per_origin_s: int = 10
    """How long an address waits between two, for whatever accounts."""


def check_faucet_config(config: FaucetConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    raise_faults(out_of_ranges(config, _RANGES))


def require_devnet(config: FaucetConfig, chain_id: int) -> bool:
    """Return whether there is to be a faucet.

    Raises ``ConfigInvalid`` where there is to be one on any chain but a devnet.
    """
    if not config.dollars:
        return False
    if chain_id != DEFAULT_CHAIN_ID:
        fault = f"faucet.dollars: {config.dollars}, 0 allowed: chain {chain_id} is not a devnet"
        raise ConfigInvalid(faults=(fault,))
    return True


class Poured(msgspec.Struct, frozen=True):
    """A deposit that is on L1; ``deposits`` is how many the inbox counts with it."""

    transaction: bytes
    block: int
    deposits: int


Pour = Callable[[Address, Money], Awaitable[Poured]]
"""Pays in on L1.

Raises ``CallReverted``, ``TransactionFailed``, ``ChainUnavailable`` or ``TransactionUnseen``.
"""

_UNPAID: Final = (CallReverted, ChainUnavailable, TransactionFailed)
"""What says that nothing was paid; after all else an account that asks again may be paid twice."""


class _Turns:
    """When each of them may come again; those who need not wait are forgotten in time."""

    __slots__ = ("_next_ns", "_of", "_pause_ns")

    def __init__(self, of: str, pause_s: int) -> None:
        self._of = of
        self._pause_ns = pause_s * NS_PER_S
        self._next_ns: OrderedDict[str, int] = OrderedDict()

    def require(self, name: str, now_ns: int) -> None:
        wait_ns = self._next_ns.get(name, 0) - now_ns
        if wait_ns > 0:
            raise RateLimited(of=self._of, retry_after_ms=-(-wait_ns // NS_PER_MS))

    def take(self, name: str, now_ns: int) -> None:
        self._next_ns[name] = now_ns + self._pause_ns
        self._next_ns.move_to_end(name)
        if len(self._next_ns) > REMEMBERED_MAX:
            self._next_ns.popitem(last=False)

    def give_back(self, name: str) -> None:
        self._next_ns.pop(name, None)


class FaucetDesk:
    """Gives each account so much, now and then; see ``node.ports.api.Faucet``."""

    def __init__(self, config: FaucetConfig, clock: Clock, pour: Pour) -> None:
        self._amount = Money(config.dollars * 10**MONEY_DECIMALS)
        self._clock = clock
        self._pour = pour
        self._accounts = _Turns("faucet_account", config.per_account_s)
        self._origins = _Turns("faucet_origin", config.per_origin_s)
        self._turn = asyncio.Lock()
        self._decode = msgspec.json.Decoder(FaucetBody).decode
        self.waiting = 0
        self.poured = 0
        """Requests that were served since the start."""

    async def pour(self, raw: bytes, origin: str) -> bytes:
        """Pay in for the account in ``raw``, and answer once it is in a block of L1."""
        account = self._account(raw)
        names = hex_from_address(account), network_of(origin)
        if self.waiting >= WAITING_MAX:
            raise Overloaded(queue="faucet", limit=WAITING_MAX)
        now_ns = self._clock.now_ns()
        turns = (self._accounts, self._origins)
        for turn, name in zip(turns, names, strict=True):
            turn.require(name, now_ns)
        # Taken before anything is awaited: two requests at once are one too many.
        for turn, name in zip(turns, names, strict=True):
            turn.take(name, now_ns)
        self.waiting += 1
        try:
            async with self._turn:
                poured = await self._pour(account, self._amount)
        except _UNPAID:
            self._accounts.give_back(names[0])
            raise
        finally:
            self.waiting -= 1
        self.poured += 1
        return msgspec.json.encode(
            FaucetAnswer(
                account=names[0],
                amount=money_text(self._amount),
                transaction="0x" + poured.transaction.hex(),
                block=poured.block,
                deposits=poured.deposits,
            )
        )

    def _account(self, raw: bytes) -> Address:
        try:
            body = self._decode(raw)
        except (ValueError, RecursionError) as error:
            raise MalformedMessage(detail=str(error)) from None
        return address_from_hex(body.account)
