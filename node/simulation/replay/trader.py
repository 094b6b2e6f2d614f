"""One account of a replay: its wallet, and the connection that its actions take."""

from node.client.session import Session
from node.client.wallet import Wallet
from node.codec.json_actions import action_to_json
from node.simulation.flow.generator import Intent
from node.simulation.keys import DevKey
from node.types.commands import SignedAction
from node.types.ids import hex_from_address
from node.types.units import Millis

EXPIRY_MS = 3_600_000
SECOND_MS = 1_000


def coarse_expiry(now: Millis) -> Millis:
    """Return a point in time an hour ahead, rounded up to a whole second.

    Every signed field stands on L1, and coarse ones cost less there.
    """
    return Millis(-(-(now + EXPIRY_MS) // SECOND_MS) * SECOND_MS)


class Trader:
    """Signs what its account intends."""

    __slots__ = ("_key", "_wallet", "session")

    def __init__(self, key: DevKey, session: Session) -> None:
        self._key = key
        self.session = session
        self._wallet: Wallet = session.wallet(key.secret)

    def body(self, intent: Intent, now: Millis) -> dict[str, object]:
        """Return the signed JSON body of ``intent``."""
        return action_to_json(self._action(intent, coarse_expiry(now)), self.session.rules)

    async def resume(self, now: Millis) -> None:
        """Take up where the account's last replay ended: above its nonces, with no order open.

        Raises what the node refuses.
        """
        shown = await self.session.get(f"/account/{hex_from_address(self._wallet.account)}")
        highest = shown["nonces"].get(hex_from_address(self._wallet.signer), 0)
        self._wallet = self.session.wallet(self._key.secret, first_nonce=highest + 1)
        if shown["orders"]:
            await self.session.send(self._wallet.cancel_all(expires=coarse_expiry(now)))

    def _action(self, intent: Intent, expires: Millis) -> SignedAction:
        if intent.margin:
            return self._wallet.adjust_margin(intent.market, intent.margin, expires=expires)
        return self._wallet.place(intent.orders, intent.cancels, expires=expires)
