"""What is told of amends, of orders that wait, slide or meet their own account, and of auctions."""

from typing import Any

import msgspec
import pytest

from node.publisher.results import ResultWriter
from node.types.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    Disconnected,
    Expire,
    NewOrder,
    OrderType,
    PlaceOrders,
    SelfTrade,
    SetSwitch,
    Side,
    Trigger,
    TriggerOrder,
    Uncross,
)
from node.types.ids import ClientOrderId, OrderId
from node.types.rules import Ordering, Rules
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB, RULES, Person
from tests.unit.transition.exchange import BTC, BUY, COIN, SELL, Exchange, order

AUCTIONS = msgspec.structs.replace(
    RULES,
    markets=tuple(
        msgspec.structs.replace(market, ordering=Ordering.AUCTION) for market in RULES.markets
    ),
)


class Told(Exchange):
    """An exchange of two people that answers like the node does."""

    def __init__(self, rules: Rules = RULES) -> None:
        super().__init__(rules)
        self.fund(ALICE, 10_000)
        self.fund(BOB, 10_000)
        self.writer = ResultWriter(rules)

    def answer(self, command: Command) -> list[dict[str, Any]]:
        """Apply ``command`` and return its results, as JSON would hold them."""
        events = self.do(command)
        results: list[dict[str, Any]] = msgspec.to_builtins(self.writer.results(command, events))
        return results

    def send(
        self, person: Person, *items: CancelOrder | AmendOrder | NewOrder
    ) -> list[dict[str, Any]]:
        """Send one action with ``items``, which stand in their order."""
        cancels = tuple(item for item in items if isinstance(item, CancelOrder))
        amends = tuple(item for item in items if isinstance(item, AmendOrder))
        orders = tuple(item for item in items if isinstance(item, NewOrder))
        head = self.head(person)
        return self.answer(PlaceOrders(*head, cancels, orders, Money(0), amends))


def amend(price: int, size: int, order_id: int = 0, client_id: int = 0) -> AmendOrder:
    return AmendOrder(BTC, Ticks(price), Lots(size), OrderId(order_id), ClientOrderId(client_id))


def special(base: NewOrder, **fields: Any) -> NewOrder:
    return msgspec.structs.replace(base, **fields)


def told(result: dict[str, Any]) -> tuple[Any, ...]:
    return result["status"], result["filled"], result["remaining"], result.get("reason")


def test_an_amended_order_rests_as_asked() -> None:
    exchange = Told()
    exchange.send(ALICE, order(BUY, 2 * COIN, 99_00, client_id=5))
    (result,) = exchange.send(ALICE, amend(98_00, COIN, order_id=1))
    assert told(result) == ("amended", "0", "1", None)
    assert (result["order_id"], result["client_id"]) == (1, 5)
    (smaller,) = exchange.send(ALICE, amend(98_00, COIN // 2, client_id=5))
    assert told(smaller) == ("amended", "0", "0.5", None)
    assert smaller["order_id"] == 1


def test_an_amended_order_that_crosses_tells_what_it_took() -> None:
    exchange = Told()
    exchange.send(BOB, order(SELL, COIN, 101_00))
    exchange.send(ALICE, order(BUY, 2 * COIN, 99_00), order(BUY, COIN, 99_00))
    (part,) = exchange.send(ALICE, amend(101_00, 3 * COIN, order_id=2))
    assert told(part) == ("amended", "1", "2", None)
    exchange.send(BOB, order(SELL, COIN, 102_00))
    (whole,) = exchange.send(ALICE, amend(102_00, COIN, order_id=3))
    assert told(whole) == ("filled", "1", "0", None)


def test_an_amend_to_what_is_filled_cancels() -> None:
    exchange = Told()
    exchange.send(ALICE, order(BUY, 2 * COIN, 99_00))
    exchange.send(BOB, order(SELL, COIN, 99_00))
    (result,) = exchange.send(ALICE, amend(99_00, COIN, order_id=1))
    assert told(result) == ("cancelled", "0", "1", "amended")


def test_items_pair_with_their_events_whatever_failed_between_them() -> None:
    exchange = Told()
    exchange.send(ALICE, *(order(BUY, COIN, 90_00 + n, client_id=n) for n in range(1, 6)))
    results = exchange.send(
        ALICE,
        CancelOrder(OrderId(2)),
        CancelOrder(OrderId(99)),
        amend(89_00, COIN, order_id=2),
        amend(80_00 - 1, COIN, order_id=3),
        amend(89_00, COIN, client_id=4),
        amend(89_00, COIN, order_id=77),
        amend(95_00, COIN, order_id=1),
        order(BUY, COIN, 300_00),
        order(BUY, COIN, 88_00),
    )
    assert [one.get("status") or one["error"]["name"] for one in results] == [
        "cancelled",
        "UnknownOrder",
        "UnknownOrder",
        "PriceOutsideBand",
        "amended",
        "UnknownOrder",
        "amended",
        "PriceOutsideBand",
        "resting",
    ]
    assert [one["order_id"] for one in results if "order_id" in one] == [2, 4, 1, 8]


def test_two_amends_of_one_order_tell_where_it_stands_in_the_end() -> None:
    exchange = Told()
    exchange.send(ALICE, order(BUY, COIN, 99_00))
    first, second = exchange.send(
        ALICE, amend(98_00, COIN, order_id=1), amend(97_00, 2 * COIN, order_id=1)
    )
    assert first == second
    assert told(first) == ("amended", "0", "2", None)
    first, second = exchange.send(
        ALICE, amend(96_00, COIN, order_id=1), amend(96_00, 0, order_id=1)
    )
    assert first == second
    assert told(first) == ("cancelled", "0", "1", "amended")


def test_an_amended_order_taken_back_by_a_later_one_is_dropped() -> None:
    exchange = Told()
    exchange.send(ALICE, order(BUY, COIN, 98_00))
    bought, sold = exchange.send(ALICE, amend(99_00, COIN, order_id=1), order(SELL, COIN, 99_00))
    assert told(bought) == ("dropped", "0", "1", "self_trade")
    assert told(sold) == ("resting", "0", "1", None)


def test_an_order_that_slides_tells_its_price() -> None:
    exchange = Told()
    exchange.send(BOB, order(SELL, COIN, 101_00))
    (result,) = exchange.send(ALICE, order(BUY, COIN, 105_00, OrderType.SLIDE))
    assert told(result) == ("resting", "0", "1", None)
    assert result["price"] == "100.99"
    (plain,) = exchange.send(ALICE, order(BUY, COIN, 99_00, OrderType.POST_ONLY))
    assert "price" not in plain


def stop(side: Side, trigger_price: int, **fields: Any) -> NewOrder:
    base = order(side, COIN, fields.pop("price", trigger_price))
    return special(base, trigger=Trigger.STOP, trigger_price=Ticks(trigger_price), **fields)


def test_an_order_that_waits_says_so_and_may_be_amended() -> None:
    exchange = Told()
    (waiting,) = exchange.send(ALICE, stop(BUY, 105_00))
    assert told(waiting) == ("waiting", "0", "1", None)
    (amended,) = exchange.send(ALICE, amend(106_00, 2 * COIN, order_id=1))
    assert told(amended) == ("amended", "0", "2", None)
    (cancelled,) = exchange.send(ALICE, CancelOrder(OrderId(1)))
    assert cancelled == {"status": "cancelled", "order_id": 1}


def test_a_waiting_order_whose_partner_is_filled_at_once_is_dropped() -> None:
    exchange = Told()
    exchange.send(BOB, order(SELL, COIN, 100_00))
    waiting, filled = exchange.send(
        ALICE, stop(BUY, 105_00, group=3), special(order(BUY, COIN, 100_00), group=3)
    )
    assert told(waiting) == ("dropped", "0", "1", "one_cancels_other")
    assert told(filled) == ("filled", "1", "0", None)


def test_a_cancel_is_not_paired_with_the_partner_it_takes_along() -> None:
    exchange = Told()
    exchange.send(ALICE, *(special(order(BUY, COIN, 99_00), group=3) for _ in range(2)))
    results = exchange.send(ALICE, CancelOrder(OrderId(1)), order(BUY, COIN, 98_00))
    assert results[0] == {"status": "cancelled", "order_id": 1}
    assert results[1]["order_id"] == 3


@pytest.mark.parametrize(
    ("mode", "taker", "maker_left"),
    [
        (SelfTrade.CANCEL_MAKER, ("resting", "0", "3", None), 0),
        (SelfTrade.CANCEL_TAKER, ("dropped", "0", "3", "self_trade"), COIN),
        (SelfTrade.CANCEL_BOTH, ("dropped", "0", "3", "self_trade"), 0),
        (SelfTrade.DECREMENT, ("resting", "0", "2", None), 0),
    ],
)
def test_an_order_that_meets_its_own_account(
    mode: SelfTrade, taker: tuple[Any, ...], maker_left: int
) -> None:
    exchange = Told()
    exchange.send(ALICE, order(SELL, COIN, 100_00))
    (result,) = exchange.send(ALICE, special(order(BUY, 3 * COIN, 100_00), self_trade=mode))
    assert told(result) == taker
    left = exchange.account(ALICE).orders.get(OrderId(1))
    assert (left.remaining if left else 0) == maker_left


def test_an_order_that_decrements_and_then_fills_names_what_it_lost() -> None:
    exchange = Told()
    exchange.send(ALICE, order(SELL, COIN, 100_00))
    exchange.send(BOB, order(SELL, COIN, 100_00))
    taking = special(order(BUY, 2 * COIN, 100_00), self_trade=SelfTrade.DECREMENT)
    (result,) = exchange.send(ALICE, taking)
    assert told(result) == ("partly_filled", "1", "1", "self_trade")


def test_an_own_resting_order_that_is_decremented_tells_what_is_left() -> None:
    exchange = Told()
    resting, taking = exchange.send(
        ALICE,
        order(SELL, 3 * COIN, 100_00),
        special(order(BUY, COIN, 100_00), self_trade=SelfTrade.DECREMENT),
    )
    assert told(resting) == ("resting", "0", "2", None)
    assert told(taking) == ("dropped", "0", "1", "self_trade")


def test_an_order_of_an_auction_is_accepted() -> None:
    exchange = Told(AUCTIONS)
    (result,) = exchange.send(ALICE, order(BUY, COIN, 99_00))
    assert told(result) == ("accepted", "0", "1", None)
    (cancelled,) = exchange.send(ALICE, CancelOrder(OrderId(1)))
    assert cancelled == {"status": "cancelled", "order_id": 1}
    exchange.send(ALICE, order(BUY, COIN, 99_00))
    assert exchange.answer(Uncross(BTC)) == [{"status": "done"}]
    exchange.wait(1)
    (amended,) = exchange.send(ALICE, amend(98_00, COIN, order_id=2))
    assert told(amended) == ("amended", "0", "1", None)


def test_a_switch_says_how_it_stands() -> None:
    exchange = Told()
    later = Millis(exchange.state.time + 5_000)
    (result,) = exchange.answer(SetSwitch(*exchange.head(ALICE), later, True))
    assert result == {"status": "done", "cancel_at": later, "on_disconnect": True}
    exchange.send(ALICE, order(BUY, COIN, 99_00))
    assert exchange.answer(Disconnected(ALICE.address)) == [{"status": "done"}]
    exchange.send(ALICE, stop(BUY, 105_00))
    exchange.wait(5_000)
    assert exchange.answer(Expire(ALICE.address)) == [{"status": "done"}]


def test_a_triggered_order_is_done() -> None:
    exchange = Told()
    exchange.send(ALICE, stop(BUY, 105_00, price=110_00))
    exchange.mark(105_00)
    assert exchange.answer(TriggerOrder(ALICE.address, OrderId(1))) == [{"status": "done"}]
