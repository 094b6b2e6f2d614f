"""A tape becomes intents: the same orders, exactly scaled, under ids that cancels can name."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from node.simulation.flow.generator import Intent, Quotes
from node.simulation.replay.tape_source import (
    IDLE_PRICE,
    NOTIONAL_FACTOR,
    PRICE_MIN,
    TapeOrders,
    TapeScale,
    measure,
    tape_source,
)
from node.simulation.tape.event import TapeEvent, TapeOp, account_of
from node.types.commands import CancelOrder, OrderType, Side
from node.types.errors import ConfigInvalid, UnknownMarket
from node.types.ids import ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Ticks
from tests.examples import RULES

MARKET = RULES.markets[0]
PLAIN = TapeScale(price_unit=1, ticks=1, size_unit=1, lots=1, first_price=Ticks(100))
SECOND_NS = 1_000_000_000
ACCOUNTS = 7


def new(number: int, side: Side, price: int, size: int, **fields: object) -> TapeEvent:
    name = str(fields.pop("account", number))
    return TapeEvent(
        int(str(fields.pop("time_ns", 0))),
        TapeOp.NEW,
        OrderId(number),
        1,
        side,
        Ticks(price),
        Lots(size),
        account=account_of(name),
        **fields,  # type: ignore[arg-type]
    )


def change(op: TapeOp, number: int, size: int = 0, time_ns: int = 0) -> TapeEvent:
    return TapeEvent(time_ns, op, OrderId(number), 1, size=Lots(size))


def played(events: Iterable[TapeEvent], scale: TapeScale = PLAIN) -> list[Intent | Quotes]:
    return list(TapeOrders(scale, MarketId(2), 2, ACCOUNTS).play(events, "tape"))


def intents(events: Iterable[TapeEvent], scale: TapeScale = PLAIN) -> list[Intent]:
    return [item for item in played(events, scale) if isinstance(item, Intent)]


def test_a_new_order_keeps_side_type_price_and_size() -> None:
    event = new(5, Side.SELL, 120, 9, type=OrderType.POST_ONLY)
    (intent,) = intents([event], TapeScale(10, 1, 3, 4, Ticks(12)))
    (order,) = intent.orders
    assert (order.market, order.side, order.type) == (2, Side.SELL, OrderType.POST_ONLY)
    assert (order.price, order.size) == (12, 12)


def test_one_owner_is_one_account_and_orders_without_owner_are_spread() -> None:
    owned = intents([new(n, Side.BUY, 100, 1, account="fund") for n in range(1, 30)])
    assert len({intent.account for intent in owned}) == 1
    single = intents([new(n, Side.BUY, 100, 1) for n in range(1, 30)])
    assert len({intent.account for intent in single}) > 1
    assert all(0 <= intent.account < ACCOUNTS for intent in single)


def test_a_cancel_names_the_order_by_its_client_id_and_goes_to_its_account() -> None:
    first, cancel = intents([new(5, Side.BUY, 100, 9), change(TapeOp.CANCEL, 5)])
    assert cancel.cancels == (CancelOrder(client_id=first.orders[0].client_id),)
    assert cancel.account == first.account
    assert cancel.orders == ()


def test_a_reduce_is_a_cancel_and_a_smaller_order_and_can_be_cancelled_again() -> None:
    events = [new(5, Side.BUY, 100, 9), change(TapeOp.REDUCE, 5, 4), change(TapeOp.CANCEL, 5)]
    first, reduce, cancel = intents(events)
    assert reduce.cancels == (CancelOrder(client_id=first.orders[0].client_id),)
    (smaller,) = reduce.orders
    assert (smaller.price, smaller.size, smaller.side) == (100, 5, Side.BUY)
    assert smaller.client_id != first.orders[0].client_id
    assert cancel.cancels == (CancelOrder(client_id=smaller.client_id),)


def test_what_our_own_matching_did_already_is_not_sent_again() -> None:
    events = [
        new(1, Side.SELL, 100, 9),
        new(2, Side.BUY, 100, 4),
        change(TapeOp.REMAIN, 1, 5),
        change(TapeOp.REMAIN, 1, 0),
        change(TapeOp.CANCEL, 77),
    ]
    sent = intents(events)
    assert [len(intent.orders) for intent in sent] == [1, 1, 0]
    assert sent[2].cancels == (CancelOrder(client_id=sent[0].orders[0].client_id),)


def test_a_recorded_execution_is_sent_as_the_taker_it_was() -> None:
    events = [new(1, Side.SELL, 100, 9), new(2, Side.BUY, 100, 4, maker=OrderId(1))]
    assert [intent.orders[0].side for intent in intents(events)] == [Side.SELL, Side.BUY]


def test_an_execution_out_of_turn_only_shrinks_its_maker() -> None:
    events = [
        new(1, Side.SELL, 100, 9),
        new(2, Side.SELL, 100, 9),
        new(3, Side.BUY, 100, 4, maker=OrderId(2)),
    ]
    *_, shrunk = intents(events)
    assert shrunk.cancels == (CancelOrder(client_id=ClientOrderId(2)),)
    assert (shrunk.orders[0].side, shrunk.orders[0].size) == (Side.SELL, 5)


def test_the_oracle_follows_the_last_trade_but_not_too_closely() -> None:
    def trade(number: int, price: int, time_ns: int) -> list[TapeEvent]:
        return [
            new(number, Side.SELL, price, 1, time_ns=time_ns),
            new(number + 1, Side.BUY, price, 1, time_ns=time_ns),
        ]

    events = [*trade(1, 101, 0), *trade(3, 102, 10), *trade(5, 103, SECOND_NS)]
    quotes = [item for item in played(events) if isinstance(item, Quotes)]
    assert [(quote.time_ns, quote.prices) for quote in quotes] == [(SECOND_NS, (IDLE_PRICE, 102))]


def test_times_count_from_the_first_event_and_never_run_back() -> None:
    events = [
        new(1, Side.BUY, 90, 1, time_ns=50 * SECOND_NS),
        new(2, Side.BUY, 90, 1, time_ns=51 * SECOND_NS),
        new(3, Side.BUY, 90, 1, time_ns=49 * SECOND_NS),
    ]
    assert [intent.time_ns for intent in intents(events)] == [0, SECOND_NS, 0]


def test_an_unpriced_market_order_gets_a_protection_that_the_band_replaces() -> None:
    events = [
        new(n, side, 0, 1, type=OrderType.MARKET) for n, side in ((1, Side.BUY), (2, Side.SELL))
    ]
    assert [intent.orders[0].price for intent in intents(events)] == [200, 1]


def test_the_scale_is_exact_and_makes_ordinary_orders_worth_sending() -> None:
    events = [new(n, Side.BUY, 12_300 + 50 * n, 700 * n) for n in range(1, 50)]
    scale = measure(events, MARKET)
    assert (scale.price_unit, scale.size_unit) == (50, 700)
    worth = sorted(scale.price(e.price) * scale.size(e.size) for e in events)
    assert worth[len(worth) // 2] >= NOTIONAL_FACTOR * MARKET.min_notional
    assert scale.first_price >= PRICE_MIN
    assert {scale.price(e.price) * 50 == e.price * scale.ticks for e in events} == {True}


def test_a_tape_without_a_price_cannot_be_scaled() -> None:
    with pytest.raises(ConfigInvalid):
        measure([change(TapeOp.CANCEL, 1)], MARKET)


def test_a_file_becomes_a_source(tmp_path: Path) -> None:
    file = tmp_path / "small.csv"
    file.write_text(
        "time_ns,op,id,side,price,size,tif,account\n"
        "0,new,a,sell,100.5,2,,x\n"
        "1000,new,b,buy,100.5,1,ioc,y\n"
        "2000,cancel,a,,,,,\n",
        encoding="utf-8",
    )
    source = tape_source("csv", file, RULES, "ETH-PERP", 4, None)
    assert len(source.accounts) == len(source.deposits) == 4
    assert [item.time_ns for item in source.events if isinstance(item, Intent)] == [0, 1_000, 2_000]
    assert source.first_prices[1] == PRICE_MIN
    limited = tape_source("csv", file, RULES, "ETH-PERP", 4, 2)
    assert sum(isinstance(item, Intent) for item in limited.events) == 2
    with pytest.raises(UnknownMarket):
        tape_source("csv", file, RULES, "DOGE-PERP", 4, None)
    with pytest.raises(ConfigInvalid):
        tape_source("xls", file, RULES, "ETH-PERP", 4, None)
