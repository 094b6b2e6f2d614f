"""One account of a replay: its wallet, and the connection that its actions take."""

import asyncio
from typing import Any, TypeVar

from msgspec.structs import replace

from node.client.errors import ConnectionLost
from node.client.session import Session
from node.client.wallet import Wallet
from node.codec.json_actions import action_to_json
from node.simulation.flow.generator import Intent
from node.simulation.keys import DevKey
from node.types.commands import CancelOrder, NewOrder, SignedAction
from node.types.errors import Unavailable
from node.types.ids import ClientOrderId, hex_from_address
from node.types.units import MS_PER_S, Millis

Named = TypeVar("Named", NewOrder, CancelOrder)
Answer = asyncio.Future[dict[str, Any]]

EXPIRY_MS = 3_600_000


def coarse_expiry(now: Millis) -> Millis:
    """Return a point in time an hour ahead, rounded up to a whole second.

    Every signed field stands on L1, and coarse ones cost less there.
    """
    return Millis(-(-(now + EXPIRY_MS) // MS_PER_S) * MS_PER_S)


def action_of(wallet: Wallet, intent: Intent, expires: Millis, names_from: int = 0) -> SignedAction:
    """Return ``intent``, signed; its client ids count from ``names_from``."""
    if intent.margin:
        return wallet.adjust_margin(intent.market, intent.margin, expires=expires)
    orders, cancels = intent.orders, intent.cancels
    if names_from:
        orders, cancels = _renamed(orders, names_from), _renamed(cancels, names_from)
    return wallet.place(orders, cancels, expires=expires)


def _renamed(named: tuple[Named, ...], names_from: int) -> tuple[Named, ...]:
    return tuple(
        replace(one, client_id=one.client_id + names_from) if one.client_id else one
        for one in named
    )


class Trader:
    """Signs what its account intends, and remembers which of it is on its way."""

    __slots__ = ("_key", "_names_from", "_owed", "_pending", "_wallet", "session")

    def __init__(self, key: DevKey, session: Session) -> None:
        self._key = key
        self.session = session
        self._pending: dict[ClientOrderId, Answer] = {}
        self._wallet: Wallet = session.wallet(key.secret)
        self._names_from = 0
        self._owed: list[CancelOrder] = []

    def catching_up(self, intent: Intent) -> Intent:
        """Return ``intent`` with the cancels that the node did not take on when they were sent.

        Without them the quotes of a maker who was turned away would stay until no more are allowed.
        """
        if intent.margin or not self._owed:
            return intent
        room = max(0, self.session.rules.limits.items_per_action - intent.items)
        owed, self._owed = self._owed[:room], self._owed[room:]
        return replace(intent, cancels=(*owed, *intent.cancels))

    def start(self, intent: Intent, now: Millis) -> Answer:
        """Sign ``intent`` and send it; return the future of its result.

        Raises ``ConnectionLost``.
        """
        action = action_of(self._wallet, intent, coarse_expiry(now), self._names_from)
        try:
            answer = self.session.start("action", action_to_json(action, self.session.rules))
        except ConnectionLost:
            self._owe(intent)
            raise
        names = [order.client_id for order in intent.orders]
        self._pending.update(dict.fromkeys(names, answer))
        answer.add_done_callback(lambda _: self._arrived(names, intent, answer))
        return answer

    def named_on_the_way(self, intent: Intent) -> set[Answer]:
        """Return the answers that are still due to orders which ``intent`` cancels."""
        pending = self._pending
        return {pending[c.client_id] for c in intent.cancels if c.client_id in pending}

    def _arrived(self, names: list[ClientOrderId], intent: Intent, answer: Answer) -> None:
        for name in names:
            self._pending.pop(name, None)
        if not answer.cancelled() and isinstance(answer.exception(), Unavailable):
            self._owe(intent)

    def _owe(self, intent: Intent) -> None:
        """Note what ``intent`` should have cancelled; no more can be open than the last of it."""
        most = self.session.rules.limits.open_orders_per_account
        self._owed = [*self._owed, *intent.cancels][-most:]

    async def resume(self, now: Millis) -> None:
        """Take up where the account's last replay ended: above its nonces, with no order open.

        The intents of every replay name their orders from 1 on; what was named before is not named
        again, as no action had a higher nonce or more items.

        Raises what the node refuses.
        """
        shown = await self.session.get(f"/account/{hex_from_address(self._wallet.account)}")
        highest = shown["nonces"].get(hex_from_address(self._wallet.signer), 0)
        self._wallet = self.session.wallet(self._key.secret, first_nonce=highest + 1)
        self._names_from = highest * self.session.rules.limits.items_per_action
        if shown["orders"]:
            await self.session.send(self._wallet.cancel_all(expires=coarse_expiry(now)))
