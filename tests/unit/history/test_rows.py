"""Which rows events make, and how an order lives in its own."""

from typing import Any

import msgspec

from node.history.record import Recorder, happenings
from node.types.blocks import GENESIS_PARENT
from node.types.commands import (
    CancelOrder,
    Command,
    NewOrder,
    OpenBlock,
    OrderType,
    PlaceOrders,
    SettleFunding,
    Side,
)
from node.types.events import (
    BalanceChanged,
    CancelReason,
    Event,
    Filled,
    FundingMoved,
    OrderAccepted,
    OrderCancelled,
    OrderRested,
    PositionChanged,
)
from node.types.history import Happened, RecordedBlock, Row, RowGroup
from node.types.ids import Address, ClientOrderId, MarketId, OrderId, Sequence, hex_from_address
from node.types.units import UINT64_MAX, Lots, Millis, Money, Ticks

ALICE, BOB = Address(b"\xa1" * 20), Address(b"\xb0" * 20)
BTC = MarketId(1)
TIME = Millis(1_700_000_000_000)
SETTLE = SettleFunding()


class Log:
    """Blocks of one command each, written group by group."""

    def __init__(self) -> None:
        self.recorder = Recorder({})
        self.sequence = 0

    def group(self, *commands: tuple[Command, tuple[Event, ...]]) -> RowGroup:
        blocks = [self._block(command, events) for command, events in commands]
        group, gathering = self.recorder.group(blocks)
        self.recorder.keep(gathering)
        return group

    def _block(self, command: Command, events: tuple[Event, ...]) -> RecordedBlock:
        first = Sequence(self.sequence + 1)
        self.sequence += 2
        opened = OpenBlock(first, TIME)
        happened = happenings(first, (opened, command), ((), events))
        return RecordedBlock(
            first, TIME, first, Sequence(first + 1), GENESIS_PARENT, bytes(32), happened
        )


def placing(*orders: NewOrder, cancels: int = 0) -> PlaceOrders:
    head = (ALICE, ALICE, 1, TIME, bytes(65))
    return PlaceOrders(*head, (CancelOrder(OrderId(1)),) * cancels, orders)


def buying(size: int = 10, **more: Any) -> NewOrder:
    return NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(500), Lots(size), **more)


def accepted(order_id: int, item: int = 0, account: Address = ALICE, **more: Any) -> OrderAccepted:
    event = OrderAccepted(
        item, OrderId(order_id), ClientOrderId(0), account, BTC, Side.BUY, Ticks(500), Lots(10)
    )
    return msgspec.structs.replace(event, **more)


def filled(maker: int, taker: int, size: int, left: int) -> Filled:
    return Filled(
        BTC, Ticks(500), Lots(size), OrderId(maker), OrderId(taker), ALICE, BOB, Side.SELL,
        Lots(left), Money(3), Money(7),
    )  # fmt: skip


def rested(order_id: int, remaining: int) -> OrderRested:
    return OrderRested(OrderId(order_id), ALICE, BTC, Side.BUY, Ticks(500), Lots(remaining))


def cancelled(order_id: int, remaining: int, reason: CancelReason) -> OrderCancelled:
    return OrderCancelled(
        OrderId(order_id), ClientOrderId(0), ALICE, BTC, Side.BUY, Ticks(500), Lots(remaining),
        reason, resting=True,
    )  # fmt: skip


def position(size: int, funding: int) -> PositionChanged:
    return PositionChanged(ALICE, BTC, Lots(size), Money(0), Money(50), funding)


def parts(row: Row, *names: str) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


def test_an_order_s_row_knows_the_item_that_it_was() -> None:
    orders = (buying(), buying(reduce_only=True, client_id=ClientOrderId(UINT64_MAX)))
    command = placing(*orders, cancels=2)
    event = accepted(9, item=3, client_id=ClientOrderId(UINT64_MAX))
    (row,) = Log().group((command, (event, rested(9, 10)))).rows["orders"]
    assert parts(row, "order_id", "account", "side", "type", "reduce_only") == (
        9, hex_from_address(ALICE), "buy", "gtc", 1
    )  # fmt: skip
    # Beyond what a database's integers hold, and exact all the same.
    assert row["client_id"] == str(UINT64_MAX)
    assert parts(row, "rested", "remaining", "status", "sequence") == (10, 10, "resting", 2)


def test_a_taker_that_is_filled_at_once_is_closed_by_its_own_command() -> None:
    log = Log()
    log.group((placing(buying()), (accepted(1), rested(1, 10))))
    group = log.group((placing(buying()), (accepted(2), filled(1, 2, 4, 6), filled(1, 2, 6, 0))))
    (taker,) = group.rows["orders"]
    assert parts(taker, "filled", "value", "fees", "remaining", "status") == (
        10, 5_000, 14, 0, "filled"
    )  # fmt: skip
    assert taker["closed_sequence"] == 4
    (maker,) = group.order_changes
    assert parts(maker, "filled", "fees", "remaining", "status") == (10, 6, 0, "filled")
    assert [row["place"] for row in group.rows["fills"]] == [0, 1]


def test_an_order_may_rest_and_leave_within_one_group() -> None:
    gone = cancelled(1, 10, CancelReason.SELF_TRADE)
    group = Log().group((placing(buying()), (accepted(1), rested(1, 10))), (SETTLE, (gone,)))
    (row,) = group.rows["orders"]
    assert group.order_changes == []
    assert parts(row, "status", "reason", "remaining", "closed_sequence") == (
        "cancelled", "self_trade", 10, 4
    )  # fmt: skip


def test_a_change_of_an_older_order_is_only_what_came_on_top() -> None:
    log = Log()
    log.group((placing(buying()), (accepted(1), rested(1, 10))))
    log.group((placing(buying()), (filled(1, 0, 3, 7),)))
    group = log.group(
        (SETTLE, (filled(1, 0, 2, 5),)), (SETTLE, (cancelled(1, 5, CancelReason.MARGIN),))
    )
    (change,) = group.order_changes
    assert parts(change, "filled", "value", "remaining", "status", "reason") == (
        2, 1_000, 5, "cancelled", "margin"
    )  # fmt: skip
    assert [row["taker_order"] for row in group.rows["fills"]] == [None]


def test_funding_is_paid_on_what_was_held_before() -> None:
    log = Log()
    log.group((SETTLE, (position(5, 100),)))
    moved = log.group((SETTLE, (FundingMoved(BTC, 20, 120),)))
    assert "funding" not in moved.rows
    (row,) = log.group((SETTLE, (position(-8, 120),))).rows["funding"]
    assert parts(row, "size", "from_index", "to_index", "amount") == (5, 100, 120, -100)
    (row,) = log.group((SETTLE, (position(0, 123),))).rows["funding"]
    assert row["amount"] == 24
    group = log.group((SETTLE, (position(1, 999),)))
    assert "funding" not in group.rows


def test_a_group_that_is_not_kept_leaves_positions_as_they_were() -> None:
    log = Log()
    log.group((SETTLE, (position(5, 100),)))
    happened = Happened(Sequence(3), 0, (), (position(7, 110),))
    block = RecordedBlock(3, TIME, Sequence(3), Sequence(3), bytes(32), bytes(32), (happened,))
    first, _ = log.recorder.group([block])
    again, _ = log.recorder.group([block])
    assert first == again
    assert first.rows["funding"][0]["amount"] == -50


def test_a_closed_position_is_gone_from_the_group() -> None:
    group = Log().group((SETTLE, (position(5, 0), position(0, 0))))
    assert group.positions == {(hex_from_address(ALICE), 1): None}


def test_what_has_no_rows_is_not_even_handed_over() -> None:
    told = (BalanceChanged(ALICE, Money(1), Money(0)),)
    assert happenings(Sequence(1), (SETTLE,), (told,)) == ()
