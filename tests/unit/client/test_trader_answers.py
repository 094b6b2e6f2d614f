"""What a trader makes of answers that refuse an item though the action applied."""

from typing import Any

import pytest

from node.types.errors import FillOrKillUnfilled
from tests.unit.client.test_trader import ORDER, FakeSession, trader_at

UNFILLED = {"error": {"code": FillOrKillUnfilled.code, "name": "FillOrKillUnfilled", "values": {}}}
RESTING = {"status": "resting", "order_id": 7}


@pytest.mark.parametrize("again", [False, True])
async def test_of_a_single_item_the_refusal_is_raised_though_the_action_applied(
    *, again: bool
) -> None:
    session = FakeSession()
    session.items = [UNFILLED]
    trader = trader_at(session)
    action = trader.wallet.place((ORDER,), expires=trader.expires())
    with pytest.raises(FillOrKillUnfilled):
        await (trader.send(action, lost=True) if again else trader.place((ORDER,)))
    assert len(session.executed) == 1


@pytest.mark.parametrize("items", [[UNFILLED, RESTING], [UNFILLED, UNFILLED]])
async def test_of_several_items_the_answer_tells_of_each(items: list[dict[str, Any]]) -> None:
    session = FakeSession()
    session.items = items
    assert (await trader_at(session).place((ORDER, ORDER)))["results"] == items
