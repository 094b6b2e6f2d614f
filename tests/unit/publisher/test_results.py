"""What became of each item, read off the events of a real exchange."""

from typing import Any, get_args

import msgspec
import pytest

from node.codec.answers import ItemStatus
from node.publisher.results import ResultWriter
from node.transition.apply import apply
from node.transition.state import State
from node.types.commands import (
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    Side,
)
from node.types.events import CancelReason, Rejected
from node.types.feed_states import CANCEL_REASONS
from node.types.ids import EVERY_MARKET, Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB, DOLLAR, DOMAIN, REPORTERS, RULES, START_MS, Person

BTC = MarketId(1)
PRICE = 500_000


class Exchange:
    """Two people with money, one market with a mark, and the results of what they send."""

    def __init__(self, alice: int = 100_000) -> None:
        self.state = State.genesis(RULES, DOMAIN)
        self._nonce = 0
        self._apply(OpenBlock(1, START_MS))
        self._apply(Deposit(0, ALICE.address, Money(alice * DOLLAR)))
        self._apply(Deposit(1, BOB.address, Money(100_000 * DOLLAR)))
        prices = (Ticks(PRICE), Ticks(20_000))
        reports = tuple(PriceReport(one.address, prices, b"") for one in REPORTERS)
        self._apply(OracleRound(START_MS, reports))

    def head(self, person: Person) -> tuple[Address, Address, int, Millis, bytes]:
        self._nonce += 1
        return person.address, person.address, self._nonce, Millis(START_MS + 1_000), b""

    def place(self, person: Person, *items: CancelOrder | NewOrder) -> list[dict[str, Any]]:
        cancels = tuple(item for item in items if isinstance(item, CancelOrder))
        orders = tuple(item for item in items if isinstance(item, NewOrder))
        return self._apply(PlaceOrders(*self.head(person), cancels, orders))

    def _apply(self, command: Command) -> list[dict[str, Any]]:
        events = apply(self.state, command)
        assert not isinstance(events[0], Rejected), events
        results: list[dict[str, Any]] = msgspec.to_builtins(
            ResultWriter(RULES).results(command, events)
        )
        return results

    def cancel_all(self, person: Person) -> list[dict[str, Any]]:
        return self._apply(CancelAll(*self.head(person), EVERY_MARKET))


def order(side: Side, size: int = 100, **more: Any) -> NewOrder:
    return NewOrder(
        BTC,
        side,
        more.get("kind", OrderType.GTC),
        Ticks(more.get("price", PRICE)),
        Lots(size),
        more.get("reduce_only", False),
        ClientOrderId(more.get("client_id", 0)),
    )


def told(result: dict[str, Any]) -> tuple[Any, ...]:
    return result["status"], result["filled"], result["remaining"], result.get("reason")


def test_an_order_that_took_some_rests_with_the_others() -> None:
    exchange = Exchange()
    exchange.place(BOB, order(Side.SELL, 40))
    result = exchange.place(ALICE, order(Side.BUY, 100, client_id=9))[0]
    assert told(result) == ("resting", "0.004", "0.006", None)
    assert (result["order_id"], result["client_id"]) == (2, 9)


def test_an_immediate_order_tells_what_it_left() -> None:
    exchange = Exchange()
    exchange.place(BOB, order(Side.SELL, 40))
    (result,) = exchange.place(ALICE, order(Side.BUY, 100, kind=OrderType.IOC))
    assert told(result) == ("partly_filled", "0.004", "0.006", "immediate_remainder")


def test_a_filled_order_has_nothing_left() -> None:
    exchange = Exchange()
    exchange.place(BOB, order(Side.SELL, 100))
    (result,) = exchange.place(ALICE, order(Side.BUY, 100, kind=OrderType.FOK))
    assert told(result) == ("filled", "0.01", "0", None)


def test_an_order_taken_back_by_the_next_one_of_its_action_is_dropped() -> None:
    exchange = Exchange()
    bought, sold = exchange.place(ALICE, order(Side.BUY, 100), order(Side.SELL, 30))
    assert told(bought) == ("dropped", "0", "0.01", "self_trade")
    assert told(sold) == ("resting", "0", "0.003", None)


def test_cancels_pair_with_their_orders_whatever_failed_between_them() -> None:
    exchange = Exchange()
    exchange.place(ALICE, order(Side.BUY, client_id=5), order(Side.BUY, client_id=6))
    results = exchange.place(
        ALICE,
        CancelOrder(client_id=ClientOrderId(6)),
        CancelOrder(order_id=OrderId(99)),
        CancelOrder(order_id=OrderId(1)),
        order(Side.BUY, 100, price=PRICE // 2),
        order(Side.BUY, 100),
    )
    assert results[0] == {"status": "cancelled", "order_id": 2}
    assert results[1]["error"]["name"] == "UnknownOrder"
    assert results[2] == {"status": "cancelled", "order_id": 1}
    assert results[3]["error"]["name"] == "PriceOutsideBand"
    assert results[4]["order_id"] == 3


def test_a_reduce_only_order_is_cut_to_what_it_can_reduce() -> None:
    exchange = Exchange()
    exchange.place(BOB, order(Side.SELL, 100))
    exchange.place(ALICE, order(Side.BUY, 100))
    (result,) = exchange.place(ALICE, order(Side.SELL, 500, price=PRICE + 9, reduce_only=True))
    assert told(result) == ("resting", "0", "0.01", None)


def test_cancelling_all_names_every_order() -> None:
    exchange = Exchange()
    exchange.place(ALICE, order(Side.BUY), order(Side.BUY))
    assert exchange.cancel_all(ALICE) == [{"status": "done", "cancelled": [1, 2]}]


def test_the_list_of_statuses_is_closed() -> None:
    assert get_args(ItemStatus) == (
        "cancelled",
        "amended",
        "waiting",
        "accepted",
        "resting",
        "filled",
        "partly_filled",
        "dropped",
    )


@pytest.mark.parametrize("reason", CancelReason)
def test_every_reason_has_a_name(reason: CancelReason) -> None:
    assert CANCEL_REASONS[reason] == reason.name.lower()
