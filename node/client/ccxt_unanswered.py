"""Orders without an answer: who asks for the very same ones again means those and no others."""

from collections.abc import Awaitable

from node.client.ccxt_orders import Wish
from node.client.subscription import Message
from node.client.trader import OutcomeUnknown
from node.types.commands import PlaceOrders
from node.types.errors import PlimsollError
from node.types.units import Millis

Wishes = tuple[Wish, ...]


class Unanswered:
    """What was signed for orders of which nobody was told what became, until it expires.

    It is kept from before it is sent: whoever asked may stop waiting at any time. Only where each
    has a client order id: without one, a second order is as likely to be meant.
    """

    def __init__(self) -> None:
        self._actions: dict[Wishes, PlaceOrders] = {}

    def action(self, wishes: Wishes, now: Millis) -> PlaceOrders | None:
        """Return what was signed for these very orders and not answered, None where nothing was."""
        kept = {asked: one for asked, one in self._actions.items() if one.expires > now}
        self._actions = kept
        return kept.get(wishes)

    def note(self, wishes: Wishes, action: PlaceOrders) -> None:
        """Remember that ``action`` is about to be sent for ``wishes``, and no other."""
        if all(wish.client_id for wish in wishes):
            self._actions[wishes] = action

    def told(self, wishes: Wishes) -> None:
        """Forget what was signed for ``wishes``: who asked knows what became of it."""
        self._actions.pop(wishes, None)

    async def result(self, wishes: Wishes, sent: Awaitable[Message]) -> Message:
        """Return the result of what was ``sent`` for ``wishes``, or raise why there is none."""
        try:
            return await sent
        except OutcomeUnknown:
            raise
        except PlimsollError:
            self.told(wishes)
            raise
