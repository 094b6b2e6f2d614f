"""What a block's order is where cancels come first, and what it must never turn round."""

from node.sequencer.arrange import arrange
from node.types.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Liquidate,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
    Trigger,
    TriggerOrder,
)
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks

SORTED = MarketId(1)
PLAIN = MarketId(2)
FIRST = frozenset({SORTED})
MAKER, TAKER, OTHER = (Address(bytes([number]) * 20) for number in (1, 2, 3))


def order(kind: OrderType, market: MarketId = SORTED, trigger: Trigger = Trigger.NONE) -> NewOrder:
    return NewOrder(market, Side.BUY, kind, Ticks(100), Lots(1), trigger=trigger)


def place(
    who: Address,
    *orders: NewOrder,
    cancels: tuple[CancelOrder, ...] = (),
    amends: tuple[AmendOrder, ...] = (),
) -> PlaceOrders:
    return PlaceOrders(who, who, 1, Millis(1), b"", cancels, orders, Money(0), amends)


CANCEL = place(MAKER, cancels=(CancelOrder(OrderId(5)),))
TAKE = place(TAKER, order(OrderType.IOC))


def arranged(*commands: Command) -> list[Command]:
    return [commands[at] for at in arrange(commands, FIRST)]


def test_where_no_market_lets_cancels_come_first_nothing_moves() -> None:
    assert arrange([TAKE, CANCEL, TAKE], frozenset()) == [0, 1, 2]


def test_a_cancel_comes_before_a_taker_who_was_taken_first() -> None:
    assert arranged(TAKE, CANCEL) == [CANCEL, TAKE]


def test_a_new_quote_without_taking_comes_along_with_its_cancels() -> None:
    requote = place(MAKER, order(OrderType.POST_ONLY), cancels=(CancelOrder(OrderId(5)),))
    slide = place(OTHER, order(OrderType.SLIDE))
    assert arranged(TAKE, requote, slide) == [requote, slide, TAKE]


def test_what_waits_for_its_trigger_does_not_take_but_what_is_triggered_may() -> None:
    waiting = place(OTHER, order(OrderType.MARKET, trigger=Trigger.STOP))
    triggered = TriggerOrder(OTHER, OrderId(9))
    assert arranged(triggered, TAKE, waiting, CANCEL) == [waiting, CANCEL, triggered, TAKE]


def test_an_amend_goes_behind_because_only_the_book_knows_what_it_leads_to() -> None:
    amend = place(OTHER, amends=(AmendOrder(SORTED, Ticks(1), Lots(1), OrderId(3)),))
    assert arranged(amend, CANCEL) == [CANCEL, amend]


def test_each_part_keeps_its_order_and_the_exchange_goes_with_the_first() -> None:
    deposit = Deposit(0, OTHER, Money(1))
    liquidate = Liquidate(SORTED, OTHER)
    again = place(OTHER, order(OrderType.GTC))
    commands = (deposit, TAKE, liquidate, again, CANCEL)
    assert arranged(*commands) == [deposit, liquidate, CANCEL, TAKE, again]


def test_who_takes_in_another_market_alone_stays_in_turn() -> None:
    elsewhere = place(OTHER, order(OrderType.MARKET, PLAIN))
    assert arranged(elsewhere, TAKE, CANCEL) == [elsewhere, CANCEL, TAKE]


def test_nothing_overtakes_an_earlier_action_of_its_own_account() -> None:
    """A cancel-all that came after an order is meant for that order as well."""
    every = CancelAll(TAKER, TAKER, 2, Millis(1), b"", SORTED)
    named = place(TAKER, cancels=(CancelOrder(client_id=ClientOrderId(7)),))
    assert arranged(TAKE, every, named, CANCEL) == [CANCEL, TAKE, every, named]
