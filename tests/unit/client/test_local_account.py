"""An account that is followed by its events stands where the exchange says it does."""

from decimal import Decimal
from typing import Any

import pytest

from node.client.local_account import ENDED_MAX, LocalAccount, Missed
from node.client.local_book import FeedGap, always_told
from node.types.errors import AgentExpired

RESTING = {
    "order_id": 5, "client_id": 0, "market": "BTC-PERP", "side": "buy", "price": "10",
    "remaining": "2", "filled": "1", "type": "gtc", "reduce_only": False,
}  # fmt: skip
LONG = {"market": "BTC-PERP", "size": "1", "entry": "10", "margin": "1", "funding": "0"}
SNAPSHOT = {
    "type": "snapshot", "seq": 7, "prev_seq": 7, "free": "100", "reserved": "3",
    "positions": [LONG], "orders": [RESTING], "agents": {"0xa1": 50},
}  # fmt: skip


def update(
    *events: dict[str, Any], seq: int = 9, before: int = 7, time: int = 1_000
) -> dict[str, Any]:
    named = [{"sequence": seq, **event} for event in events]
    return {"type": "update", "seq": seq, "prev_seq": before, "time": time, "events": named}


def accepted(number: int, size: str = "3") -> dict[str, Any]:
    return {
        "event": "accepted", "order_id": number, "client_id": 8, "market": "BTC-PERP",
        "side": "sell", "price": "11", "size": size, "type": "ioc", "reduce_only": True,
    }  # fmt: skip


def filled(
    number: int, size: str, price: str = "11", role: str = "taker", left: str = "0", other: int = 2
) -> dict[str, Any]:
    return {
        "event": "filled", "role": role, "order_id": number, "counter_order": other,
        "market": "BTC-PERP", "side": "sell", "price": price, "size": size, "fee": "0.1",
        "remaining": left,
    }  # fmt: skip


def amended(number: int, left: str, price: str = "11", **more: Any) -> dict[str, Any]:
    told = {"event": "amended", "order_id": number, "price": price, "remaining": left}
    return told | {"good_till": 0} | more


def cancelled(number: int, remaining: str, reason: str) -> dict[str, Any]:
    return {
        "event": "cancelled", "order_id": number, "remaining": remaining, "reason": reason,
        "resting": False,
    }  # fmt: skip


def followed() -> LocalAccount:
    account = LocalAccount()
    account.apply(SNAPSHOT)
    return account


def test_a_snapshot_is_how_things_stand() -> None:
    account = followed()
    assert (account.free, account.reserved) == (Decimal(100), Decimal(3))
    assert account.positions == {"BTC-PERP": LONG}
    order = account.order(5)
    assert order is not None
    assert (order.amount, order.filled, order.remaining) == (Decimal(3), Decimal(1), Decimal(2))
    # What its fill was worth, nobody has told.
    assert (order.cost, order.ended) == (None, None)
    assert (order.type, order.reduce_only) == ("gtc", False)


def test_an_order_is_followed_from_its_arrival_to_its_last_lot() -> None:
    account = followed()
    changes = account.apply(
        update(accepted(6), filled(6, "1", left="2"), filled(6, "2", "12", other=3))
    )
    order = account.order(6)
    assert order is changes.orders[6]
    assert (order.type, order.reduce_only) == ("ioc", True)
    assert order.amount == order.filled == 3
    assert (order.remaining, order.ended) == (Decimal(0), "filled")
    assert (order.cost, order.fee) == (Decimal(35), Decimal("0.2"))
    assert (order.time, order.traded, order.changed) == (1_000, 1_000, 1_000)
    assert [fill.key for fill in changes.fills] == ["9-6-2", "9-6-3"]
    assert 6 not in account.open


def test_what_is_left_of_an_order_that_may_not_rest_is_told_with_its_reason() -> None:
    account = followed()
    account.apply(update(accepted(6), filled(6, "1", left="2"), cancelled(6, "2", "immediate")))
    order = account.order(6)
    assert order is not None
    assert (order.filled, order.remaining) == (Decimal(1), Decimal(2))
    assert order.ended == "immediate"


def test_a_position_that_is_closed_is_gone_and_the_balance_new() -> None:
    account = followed()
    closed = LONG | {"event": "position", "size": "0", "sequence": 9}
    balance = {"event": "balance", "free": "101.5", "reserved": "0"}
    changes = account.apply(update(closed, balance))
    assert account.positions == {}
    assert changes.positions == {"BTC-PERP": closed}
    assert changes.balance
    assert account.free == Decimal("101.5")


def test_what_brings_its_sum_as_a_balance_changes_nothing_by_itself() -> None:
    account = followed()
    changes = account.apply(update({"event": "deposited", "index": 1, "amount": "5"}))
    assert (changes.orders, changes.positions, changes.balance) == ({}, {}, False)
    assert account.seq == 9


def test_a_message_too_few_is_a_gap() -> None:
    account = followed()
    with pytest.raises(FeedGap) as gap:
        account.apply(update(accepted(6), before=8))
    assert gap.value.values == {"expected": 7, "found": 8}
    assert account.order(6) is None


def test_after_a_break_what_is_gone_has_ended_and_what_stands_keeps_its_story() -> None:
    account = followed()
    account.apply(update(accepted(6)))
    kept = RESTING | {"order_id": 6, "price": "11", "remaining": "3", "filled": "0"}
    changes = account.apply(SNAPSHOT | {"seq": 20, "orders": [kept]})
    order, gone = account.order(6), account.order(5)
    assert order is not None
    assert gone is not None
    assert (order.amount, order.time) == (Decimal(3), 1_000)
    assert (gone.ended, set(changes.orders)) == ("unknown", {5, 6})
    assert changes.missed == Missed(9, 20)


def test_a_fill_that_nobody_heard_of_leaves_no_wrong_sums() -> None:
    account = followed()
    account.apply(update(accepted(6)))
    account.apply(SNAPSHOT | {"seq": 20, "orders": [RESTING | {"order_id": 6}]})
    order = account.order(6)
    assert order is not None
    assert (order.amount, order.filled, order.remaining) == (Decimal(3), Decimal(1), Decimal(2))
    assert order.cost is None


def test_an_order_that_nobody_had_touched_is_known_with_all_its_fills() -> None:
    account = LocalAccount()
    account.apply(SNAPSHOT | {"orders": [RESTING | {"filled": "0"}]})
    account.apply(update(filled(5, "2", "10", role="maker")))
    order = account.order(5)
    assert order is not None
    assert (order.filled, order.cost, order.time) == (Decimal(2), Decimal(20), 0)


def test_what_only_was_amended_while_nobody_listened_keeps_its_story() -> None:
    account = followed()
    account.apply(update(accepted(6), filled(6, "1", left="2")))
    stands = RESTING | {"order_id": 6, "price": "12", "remaining": "4"}
    account.apply(SNAPSHOT | {"seq": 20, "orders": [stands]})
    order = account.order(6)
    assert order is not None
    assert (order.price, order.amount, order.cost) == (Decimal(12), Decimal(5), Decimal(11))
    assert (order.time, order.traded) == (1_000, 1_000)


def test_a_sliding_order_is_one_that_never_takes_once_it_rests() -> None:
    account = followed()
    slides = accepted(6) | {"type": "post_only_slide"}
    rested = {"event": "rested", "order_id": 6, "price": "12", "remaining": "3"}
    account.apply(update(slides))
    assert account.open[6].type == "post_only_slide"
    account.apply(update(rested, seq=11, before=9, time=2_000))
    assert account.open[6].type == "post_only"


def test_a_fill_and_an_amend_that_nobody_heard_of_are_no_quiet_order() -> None:
    account = followed()
    account.apply(update(accepted(6)))
    # One lot was filled, and one was added: what is left says nothing of either.
    stands = RESTING | {"order_id": 6, "price": "11", "remaining": "3"}
    account.apply(SNAPSHOT | {"seq": 20, "orders": [stands]})
    order = account.order(6)
    assert order is not None
    assert (order.amount, order.filled, order.cost) == (Decimal(4), Decimal(1), None)


def test_memory_is_bounded() -> None:
    account = followed()
    for number in range(10, 10 + ENDED_MAX + 50):
        events = accepted(number), filled(number, "3")
        account.apply(update(*events, seq=number, before=account.seq))
    assert len(account.ended) == len(account.fills) == ENDED_MAX
    assert account.order(10) is None
    assert account.order(10 + ENDED_MAX) is not None
    # What was forgotten last is the last of which not everything is here any more.
    assert account.whole_since == 10 + 49


def test_what_came_behind_a_snapshot_is_known_whole() -> None:
    account = LocalAccount()
    assert account.apply(SNAPSHOT).missed is None
    assert account.whole_since == 7
    account.apply(update(accepted(6), seq=9))
    assert (account.whole_since, account.open[6].sequence) == (7, 9)
    account.apply(SNAPSHOT | {"seq": 20, "orders": []})
    assert account.whole_since == 20


def test_what_a_liquidation_takes_is_a_fill_without_an_order() -> None:
    account = followed()
    changes = account.apply(update(filled(0, "1", other=4)))
    [fill] = changes.fills
    assert (fill.key, fill.order_id, fill.sequence) == ("9-0-4", 0, 9)
    assert changes.orders == {}


def test_a_trade_has_one_name_on_both_its_sides() -> None:
    taking, making = followed(), followed()
    taking.apply(update(accepted(6), filled(6, "1", left="2", other=5)))
    making.apply(update(filled(5, "1", role="maker", left="1", other=6)))
    assert list(taking.fills) == list(making.fills) == ["9-6-5"]


WAITING = {
    "event": "waiting", "order_id": 6, "client_id": 8, "market": "BTC-PERP", "side": "sell",
    "trigger": "stop", "trigger_price": "9", "price": "8", "size": "3", "type": "market",
    "reduce_only": False,
}  # fmt: skip


def test_an_order_waits_arrives_smaller_and_is_filled() -> None:
    account = followed()
    account.apply(update(WAITING))
    order = account.order(6)
    assert order is not None
    assert (order.trigger, order.trigger_price, order.amount) == ("stop", Decimal(9), Decimal(3))
    triggered = {"event": "triggered", "order_id": 6, "price": "8.5", "size": "2", "mark": "9"}
    account.apply(update(triggered, filled(6, "2", "9"), seq=11, before=9, time=2_000))
    assert (order.price, order.amount, order.filled) == (Decimal("8.5"), Decimal(2), Decimal(2))
    assert (order.ended, order.trigger, order.changed) == ("filled", "stop", 2_000)
    assert order.type == "market"


def test_an_amended_order_waits_for_its_new_price_and_ends_at_its_new_time() -> None:
    account = followed()
    account.apply(update(WAITING))
    order = account.order(6)
    assert order is not None
    moved = amended(6, "3", "9", trigger_price="8", good_till=5_000)
    account.apply(update(moved, seq=11, before=9, time=2_000))
    assert (order.trigger, order.trigger_price, order.good_till) == ("stop", Decimal(8), 5_000)
    triggered = {"event": "triggered", "order_id": 6, "price": "9", "size": "3", "mark": "8"}
    later = amended(6, "3", "9", good_till=6_000)
    account.apply(update(triggered, later, seq=13, before=11, time=3_000))
    assert (order.trigger_price, order.good_till) == (Decimal(8), 6_000)


def test_an_order_whose_end_moved_while_nobody_listened_is_known_with_its_fills() -> None:
    account = followed()
    account.apply(update(accepted(6), filled(6, "1", left="2")))
    stands = RESTING | {"order_id": 6, "price": "11", "remaining": "2", "good_till": 5_000}
    account.apply(SNAPSHOT | {"seq": 20, "orders": [stands]})
    order = account.order(6)
    assert order is not None
    assert (order.good_till, order.filled) == (5_000, Decimal(1))


def test_an_amended_order_counts_what_was_filled_to_its_size() -> None:
    account = followed()
    account.apply(update(accepted(6), filled(6, "1", left="2")))
    unheard = amended(5, "4", "9")
    account.apply(update(amended(6, "4", "12"), unheard, seq=11, before=9, time=2_000))
    order, older = account.order(6), account.order(5)
    assert order is not None
    assert older is not None
    assert (order.price, order.remaining, order.amount) == (Decimal(12), Decimal(4), Decimal(5))
    assert (older.price, older.remaining, older.amount) == (Decimal(9), Decimal(4), Decimal(5))


def test_an_order_that_rested_and_is_filled_by_an_auction_is_counted_once() -> None:
    account = followed()
    account.apply(update(accepted(6, "10")))
    # An auction tells first what it leaves of one in the book, and then of each fill.
    fills = [filled(6, size, left="3") for size in ("4", "3")]
    account.apply(update(amended(6, "3"), *fills, seq=11, before=9, time=2_000))
    order = account.order(6)
    assert order is not None
    assert (order.amount, order.filled, order.remaining) == (Decimal(10), Decimal(7), Decimal(3))
    assert order.ended is None


def test_what_an_order_lost_to_its_own_account_is_no_part_of_its_amount() -> None:
    rested = {"event": "rested", "order_id": 6, "price": "11", "remaining": "4"}
    # It met three lots of its own between the fill and its rest, or its end.
    for end in (rested, cancelled(6, "4", "immediate_remainder")):
        account = followed()
        account.apply(update(accepted(6, "10"), filled(6, "3", left="7"), end))
        order = account.order(6)
        assert order is not None
        assert (order.amount, order.filled, order.remaining) == (Decimal(7), Decimal(3), Decimal(4))


def test_a_waiting_order_is_in_a_snapshot_and_found_by_either_number() -> None:
    account = LocalAccount()
    told = RESTING | {
        "client_id": 3, "trigger": "take_profit", "trigger_price": "12", "good_till": 5_000,
    }  # fmt: skip
    account.apply(SNAPSHOT | {"orders": [told]})
    order = account.named(5, 0)
    assert order is account.named(None, 3)
    assert order is not None
    assert (order.trigger, order.trigger_price) == ("take_profit", Decimal(12))
    assert order.good_till == 5_000
    assert account.named(6, 3) is account.named(None, 4) is None


def test_agents_are_told_by_the_snapshot_and_by_every_approval() -> None:
    account = followed()
    assert account.agents == {"0xa1": 50}
    ended = {"event": "agent", "agent": "0xa1", "until": 20}
    account.apply(update({"event": "agent", "agent": "0xa2", "until": 90}, ended))
    assert account.agents == {"0xa1": 20, "0xa2": 90}
    account.apply(SNAPSHOT | {"seq": 30, "agents": {"0xa2": 90}})
    assert account.agents == {"0xa2": 90}


def test_the_newest_of_a_name_is_told_where_no_newer_can_be_missing() -> None:
    account = followed()
    account.apply(update(accepted(6), cancelled(6, "3", "user"), accepted(7)))
    newest = account.latest(8)
    assert newest is not None
    assert (newest.order_id, newest.ended) == (7, None)
    account.apply(update(cancelled(7, "3", "user"), seq=11, before=9))
    assert account.latest(8) is newest
    # Of what came between the two nobody knows whether it had that name.
    account.apply({**SNAPSHOT, "seq": 13, "prev_seq": 13})
    assert account.latest(8) is None


def test_an_account_that_nobody_tells_of_is_not_known_and_can_be_read() -> None:
    account = LocalAccount()
    account.apply(SNAPSHOT)
    assert account.known
    account.is_told = lambda: False
    assert (account.known, list(account.open)) == (False, [5])
    account.is_told = always_told
    account.end(AgentExpired())
    assert (account.known, type(account.failure), list(account.open)) == (False, AgentExpired, [5])
