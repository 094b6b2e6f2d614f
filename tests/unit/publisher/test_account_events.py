"""One event, told to two: each hears its own side, its own order, its own fee, and no other."""

import msgspec
import pytest

from node.publisher.account_events import AccountEvents
from node.publisher.accounts import Happened
from node.types.commands import Side
from node.types.events import Deleveraged, Filled
from node.types.ids import MarketId, OrderId, Sequence
from node.types.units import Lots, Money, Ticks
from tests.examples import ALICE, BOB, DOLLAR, RULES

EVENTS = AccountEvents(RULES)
FILL = Filled(
    MarketId(1),
    Ticks(30_000),
    Lots(5),
    maker_order=OrderId(7),
    taker_order=OrderId(9),
    maker=ALICE.address,
    taker=BOB.address,
    taker_side=Side.SELL,
    maker_remaining=Lots(0),
    maker_fee=Money(-1 * DOLLAR),
    taker_fee=Money(3 * DOLLAR),
)


@pytest.mark.parametrize("auction", [False, True])
def test_a_fill_tells_each_side_its_own_half(auction: bool) -> None:
    fill = msgspec.structs.replace(FILL, auction=auction)
    happened = Happened(Sequence(4), fill, "filled", left=0, client_id=77)
    common = {"event": "filled", "market": "BTC-PERP", "sequence": 4, "client_id": 77}
    making = EVENTS.show(happened, ALICE.address)
    assert making.items() >= common.items()
    assert (making["role"], making["side"], making["fee"]) == ("maker", "buy", "-1")
    assert (making["order_id"], making["counter_order"]) == (7, 9)
    taking = EVENTS.show(happened, BOB.address)
    assert taking.items() >= common.items()
    assert (taking["role"], taking["side"], taking["fee"]) == ("taker", "sell", "3")
    assert (taking["order_id"], taking["counter_order"]) == (9, 7)
    assert making.get("auction", False) is taking.get("auction", False) is auction


def test_what_is_deleveraged_tells_each_which_of_the_two_it_was() -> None:
    event = Deleveraged(ALICE.address, BOB.address, MarketId(1), Lots(5), Money(DOLLAR))
    roles = [
        EVENTS.show(Happened(Sequence(4), event), account)["role"]
        for account in (ALICE.address, BOB.address)
    ]
    assert roles == ["bankrupt", "counterparty"]
