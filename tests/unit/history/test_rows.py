"""Which rows events make, and how an order lives in its own."""

from typing import Any

import msgspec

from node.history.gathering import INTEGER_MAX
from node.history.record import Recorder, happenings
from node.types.blocks import GENESIS_PARENT
from node.types.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    NewOrder,
    OpenBlock,
    OrderType,
    PlaceOrders,
    SettleFunding,
    Side,
    Trigger,
    Uncross,
)
from node.types.events import (
    BalanceChanged,
    CancelReason,
    Deleveraged,
    Event,
    Filled,
    FundingMoved,
    Liquidated,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRested,
    OrderTriggered,
    PositionChanged,
    SwitchChanged,
    TriggerSet,
    Uncrossed,
)
from node.types.history import Row
from node.types.history_rows import Happened, RecordedBlock, RowGroup
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


def placing(*orders: NewOrder, cancels: int = 0, amends: int = 0) -> PlaceOrders:
    head = (ALICE, ALICE, 1, TIME, bytes(65))
    change = AmendOrder(BTC, Ticks(500), Lots(10), OrderId(1))
    return PlaceOrders(
        *head, (CancelOrder(OrderId(1)),) * cancels, orders, amends=(change,) * amends
    )


def buying(size: int = 10, **more: Any) -> NewOrder:
    return NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(500), Lots(size), **more)


def accepted(order_id: int, item: int = 0, account: Address = ALICE, **more: Any) -> OrderAccepted:
    event = OrderAccepted(
        item, OrderId(order_id), ClientOrderId(0), account, BTC, Side.BUY, Ticks(500), Lots(10)
    )
    return msgspec.structs.replace(event, **more)


def filled(maker: int, taker: int, size: int, left: int, *, auction: bool = False) -> Filled:
    return Filled(
        BTC, Ticks(500), Lots(size), OrderId(maker), OrderId(taker), ALICE, BOB, Side.SELL,
        Lots(left), Money(3), Money(7), auction,
    )  # fmt: skip


def waits(order_id: int, item: int = 0, price: int = 500) -> TriggerSet:
    return TriggerSet(
        item, OrderId(order_id), ClientOrderId(0), ALICE, BTC, Side.BUY, Trigger.STOP, Ticks(510),
        Ticks(price), Lots(10),
    )  # fmt: skip


def triggered(order_id: int, price: int, size: int) -> OrderTriggered:
    return OrderTriggered(
        OrderId(order_id), ALICE, BTC, Side.BUY, Ticks(price), Lots(size), Ticks(511)
    )


def amended(
    order_id: int, price: int, left: int, *, resting: bool, waits_for: int = 0
) -> OrderAmended:
    return OrderAmended(
        OrderId(order_id), ClientOrderId(0), ALICE, BTC, Side.BUY, Ticks(500), Lots(10),
        Ticks(price), Lots(left), resting, Ticks(waits_for), Millis(0),
    )  # fmt: skip


def rested(order_id: int, remaining: int) -> OrderRested:
    return OrderRested(OrderId(order_id), ALICE, BTC, Side.BUY, Ticks(500), Lots(remaining))


def cancelled(order_id: int, remaining: int, reason: CancelReason) -> OrderCancelled:
    return OrderCancelled(
        OrderId(order_id), ClientOrderId(0), ALICE, BTC, Side.BUY, Ticks(500), Lots(remaining),
        reason, resting=True,
    )  # fmt: skip


def position(size: int, funding: int, entry: int = 0, account: Address = ALICE) -> PositionChanged:
    return PositionChanged(account, BTC, Lots(size), Money(entry), Money(50), funding)


def parts(row: Row, *names: str) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


def test_an_order_s_row_knows_the_item_that_it_was() -> None:
    orders = (buying(), buying(reduce_only=True, client_id=ClientOrderId(UINT64_MAX)))
    command = placing(*orders, cancels=2, amends=3)
    event = accepted(9, item=6, client_id=ClientOrderId(UINT64_MAX))
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


def test_an_order_waits_arrives_with_less_and_rests() -> None:
    log = Log()
    (row,) = log.group((placing(buying(trigger=Trigger.STOP)), (waits(1),))).rows["orders"]
    assert parts(row, "status", "trigger", "trigger_price", "remaining", "rested") == (
        "waiting", "stop", 510, 10, None
    )  # fmt: skip
    moved = amended(1, 505, 8, resting=True, waits_for=511)
    (change,) = log.group((SETTLE, (moved,))).order_changes
    # It still waits: what is not told stays as it was.
    assert parts(change, "price", "remaining", "trigger_price", "status", "triggered_sequence") == (
        505,
        8,
        511,
        None,
        None,
    )
    events = (triggered(1, 505, 6), filled(7, 1, 2, 3), rested(1, 4))
    group = log.group((placing(buying()), (accepted(7), rested(7, 5))), (SETTLE, events))
    change = group.order_changes[0]
    assert parts(change, "order_id", "filled", "fees", "remaining", "rested", "status") == (
        1, 2, 7, 4, 4, "resting"
    )  # fmt: skip
    assert parts(change, "triggered_sequence", "triggered_time") == (8, TIME)
    (change,) = log.group((SETTLE, (amended(1, 505, 3, resting=True),))).order_changes
    assert parts(change, "remaining", "trigger_price") == (3, None)


def test_a_waiting_order_that_is_refused_on_arrival_is_closed() -> None:
    gone = cancelled(1, 10, CancelReason.REFUSED_ON_ARRIVAL)
    group = Log().group((placing(buying()), (waits(1),)), (SETTLE, (triggered(1, 500, 10), gone)))
    (row,) = group.rows["orders"]
    assert parts(row, "status", "reason", "remaining", "triggered_sequence", "closed_sequence") == (
        "cancelled", "refused_on_arrival", 10, 4, 4
    )  # fmt: skip


def test_a_price_that_means_any_price_is_the_most_that_an_integer_holds() -> None:
    events = (waits(1, price=UINT64_MAX), amended(1, UINT64_MAX, 9, resting=True))
    (row,) = Log().group((placing(buying()), events)).rows["orders"]
    assert parts(row, "price", "size") == (INTEGER_MAX, 9)


def test_an_amended_order_arrives_anew_and_keeps_what_was_filled() -> None:
    log = Log()
    log.group((placing(buying()), (accepted(1), rested(1, 10))))
    moved = (amended(1, 502, 9, resting=False), filled(5, 1, 3, 1), rested(1, 6))
    (change, maker) = log.group((SETTLE, (filled(1, 0, 1, 9),)), (SETTLE, moved)).order_changes
    assert parts(change, "filled", "value", "remaining", "price", "rested", "status") == (
        4, 2_000, 6, 502, 6, None
    )  # fmt: skip
    assert parts(maker, "order_id", "remaining", "price", "status") == (5, 1, None, None)


def test_the_size_of_an_order_is_what_is_filled_and_what_remains() -> None:
    less = (accepted(1), rested(1, 10), filled(1, 0, 2, 8), amended(1, 500, 5, resting=True))
    (row,) = Log().group((placing(buying()), less)).rows["orders"]
    assert parts(row, "size", "filled", "remaining", "status") == (7, 2, 5, "resting")


def test_an_arrival_that_its_own_orders_used_up_is_closed_by_its_command() -> None:
    used_up = (accepted(2), filled(1, 2, 4, 6))
    later = (SETTLE, (position(1, 1),))
    group = Log().group((placing(buying()), used_up), later)
    (row,) = group.rows["orders"]
    assert parts(row, "status", "reason", "filled", "remaining", "closed_sequence") == (
        "cancelled", "self_trade", 4, 6, 2
    )  # fmt: skip


def test_an_arrival_of_an_auction_is_open_until_its_block_ends() -> None:
    log = Log()
    log.group((placing(buying()), (accepted(1), rested(1, 10))))
    first = Sequence(log.sequence + 1)
    fills = (filled(1, 2, 6, 4, auction=True), filled(1, 3, 1, 3, auction=True))
    told = (
        (),
        (accepted(2), amended(2, 500, 6, resting=True), accepted(3, item=1)),
        (Uncrossed(BTC, Ticks(500), Lots(7)), amended(1, 500, 3, resting=True), *fills,
         rested(3, 9)),
    )  # fmt: skip
    commands = (OpenBlock(2, TIME), placing(buying(), buying()), Uncross(BTC))
    happened = happenings(first, commands, told)
    last = Sequence(first + 2)
    block = RecordedBlock(2, TIME, first, last, bytes(32), bytes(32), happened)
    group, _ = log.recorder.group([block])
    two, three = group.rows["orders"]
    assert parts(two, "status", "size", "filled", "closed_sequence") == ("filled", 6, 6, last)
    assert parts(three, "status", "filled", "rested", "remaining") == ("resting", 1, 9, 9)
    (maker,) = group.order_changes
    assert parts(maker, "filled", "remaining", "status") == (7, 3, None)
    assert [row["auction"] for row in group.rows["fills"]] == [1, 1]


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


def sold_by_liquidation(size: int, price: int) -> Filled:
    fill = filled(1, 0, size, 10 - size)
    return msgspec.structs.replace(fill, maker=BOB, taker=ALICE, price=Ticks(price))


def test_a_fill_tells_what_each_side_gained_on_what_it_closed() -> None:
    """Alice, the maker, buys at 500: short 4, she closes them and opens 6. Bob opens."""
    log = Log()
    log.group((SETTLE, (position(-4, 0, entry=-2_200),)))
    log.group((placing(buying()), (accepted(1), rested(1, 10))))
    (row,) = log.group((SETTLE, (filled(1, 0, 10, 0), position(6, 0, entry=3_000)))).rows["fills"]
    assert parts(row, "maker_realized", "taker_realized") == (200, 0)


def test_what_fills_of_one_command_gain_goes_by_what_the_earlier_ones_left() -> None:
    """Of an entry value of 1,001 for 3 lots go 333, 334 and 334: no unit is lost."""
    log = Log()
    log.group((SETTLE, (position(3, 0, entry=1_001),)))
    log.group((placing(buying()), (accepted(1, account=BOB), rested(1, 10))))
    events: tuple[Event, ...] = (*[sold_by_liquidation(1, 300)] * 3, position(0, 0))
    rows = log.group((SETTLE, events)).rows["fills"]
    assert [row["taker_realized"] for row in rows] == [-33, -34, -34]


def test_a_liquidation_tells_side_and_value_of_all_that_it_closed() -> None:
    log = Log()
    log.group((SETTLE, (position(5, 0, entry=2_500), position(-9, 0, -4_600, BOB))))
    log.group((placing(buying()), (accepted(1, account=BOB), rested(1, 10))))
    handed = Deleveraged(ALICE, BOB, BTC, Lots(2), Money(901))
    told = Liquidated(ALICE, BTC, Lots(3), Lots(0), Money(0), Money(7))
    events = (told, sold_by_liquidation(1, 470), sold_by_liquidation(2, 460), handed)
    after = (position(0, 0), position(-4, 0, -2_044, BOB))
    group = log.group((SETTLE, (*events, *after)))
    (row,) = group.rows["liquidations"]
    assert parts(row, "side", "closed", "value", "deleveraged", "deleveraged_value") == (
        "sell", 3, 1_390, 2, 901
    )  # fmt: skip
    (row,) = group.rows["deleveragings"]
    # Alice's two lots had cost 1,000. Bob had sold nine for 4,600; of what his six left had
    # brought in, 3,066, these two are 1,022.
    assert parts(row, "realized", "counterparty_realized") == (-99, 121)


def test_a_short_is_bought_back() -> None:
    log = Log()
    log.group((SETTLE, (position(-5, 0, -2_500), position(5, 0, 2_400, BOB))))
    handed = Deleveraged(ALICE, BOB, BTC, Lots(5), Money(2_600))
    told = Liquidated(ALICE, BTC, Lots(0), Lots(0), Money(0), Money(0))
    group = log.group((SETTLE, (told, handed, position(0, 0), position(0, 0, account=BOB))))
    assert group.rows["liquidations"][0]["side"] == "buy"
    (row,) = group.rows["deleveragings"]
    assert parts(row, "realized", "counterparty_realized") == (-100, 200)


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
    switch = SwitchChanged(ALICE, TIME, on_disconnect=True)
    told = (BalanceChanged(ALICE, Money(1), Money(0)), switch)
    assert happenings(Sequence(1), (SETTLE,), (told,)) == ()
