"""Refusals in the words of the API: decimals of the right market, and its symbol."""

from typing import Any

import msgspec
import pytest

from node.codec.refusals import UNITS, Refusals
from node.transition.apply import apply
from node.transition.state import State
from node.types import errors
from node.types.commands import (
    Action,
    AdjustMargin,
    AmendOrder,
    CancelAll,
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
)
from node.types.errors import CommandRejected
from node.types.events import ItemRejected, Rejected
from node.types.ids import MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE
from tests.property.random_log import DOMAIN, MIXED, RandomLog
from tests.property.tempers import TEMPERS

# Ticks of a tenth, lots of a hundred-thousandth.
REFUSALS = Refusals(MIXED)
HEAD = (ALICE.address, ALICE.address, 1, Millis(1), b"")
FIRST = MIXED.markets[0].symbol


def order(market: int) -> NewOrder:
    return NewOrder(MarketId(market), Side.BUY, OrderType.GTC, Ticks(1), Lots(1))


def rejected(error: CommandRejected) -> Rejected:
    return Rejected(error.code, type(error).__name__, error.values)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            errors.PriceOutsideBand(price=5, low=40, high=61),
            {"price": "0.5", "low": "4", "high": "6.1"},
        ),
        (errors.PostOnlyWouldCross(price=12, best=11), {"price": "1.2", "best": "1.1"}),
        (errors.NothingToTake(price=12, best=None), {"price": "1.2", "best": None}),
        (errors.SizeInvalid(size=0, limit=250_000), {"size": "0", "limit": "2.5"}),
        (
            errors.NotionalTooSmall(notional=1, minimum=10**6),
            {"notional": "0.000001", "minimum": "1"},
        ),
        (
            errors.InsufficientCollateral(required=2**70, free=-1, buffer=12_000),
            {"required": "1180591620717411.303424", "free": "-0.000001", "buffer": "0.012"},
        ),
        (errors.MarkStale(market=1, limit=5_000), {"market": FIRST, "limit": 5_000}),
        (errors.UnknownMarket(market=9), {"market": 9}),
        (errors.NonceUsed(nonce=1, highest=3, lowest=0), {"nonce": 1, "highest": 3, "lowest": 0}),
    ],
)  # fmt: skip
def test_figures_are_decimals_of_the_order_s_market(
    error: CommandRejected, told: dict[str, Any]
) -> None:
    command = PlaceOrders(*HEAD, (), (order(1),))
    body = REFUSALS.of_command(command, rejected(error))
    assert body == {"code": error.code, "name": type(error).__name__, "values": told}


def test_each_item_of_a_bulk_is_told_in_its_own_market() -> None:
    first, second = MIXED.markets[:2]
    finer = msgspec.structs.replace(second, tick_decimals=3, lot_decimals=3)
    refusals = Refusals(msgspec.structs.replace(MIXED, markets=(first, finer)))
    amend = AmendOrder(MarketId(1), Ticks(1), Lots(1), OrderId(1))
    command = PlaceOrders(*HEAD, (CancelOrder(OrderId(3)),), (order(2),), Money(0), (amend,))
    best = errors.PostOnlyWouldCross(price=1_234, best=1_000)
    fault = ItemRejected(2, best.code, "PostOnlyWouldCross", best.values)
    assert refusals.of_item(command, fault)["values"] == {"price": "1.234", "best": "1"}
    unknown = errors.UnknownOrder(order_id=3, client_id=0)
    each = [
        {"code": one.code, "name": type(one).__name__, "values": one.values}
        for one in (unknown, best, best)
    ]
    body = refusals.of_command(command, rejected(errors.EveryItemRejected(errors=each)))
    assert [one["values"] for one in body["values"]["errors"]] == [
        {"order_id": 3, "client_id": 0},
        {"price": "123.4", "best": "100"},
        {"price": "1.234", "best": "1"},
    ]


def test_of_what_names_its_market_itself() -> None:
    margin = AdjustMargin(*HEAD, MarketId(1), Money(5))
    none = errors.NoPosition(market=1)
    assert REFUSALS.of_command(margin, rejected(none))["values"] == {"market": FIRST}
    everywhere = CancelAll(*HEAD, MarketId(0))
    nothing = errors.NothingToCancel(market=0)
    assert REFUSALS.of_command(everywhere, rejected(nothing))["values"] == {"market": ""}


def test_an_action_without_items_and_a_round_are_refused_too() -> None:
    empty = PlaceOrders(*HEAD, (), ())
    none = errors.TooManyItems(items=0, limit=8)
    assert REFUSALS.of_command(empty, rejected(none))["values"] == {"items": 0, "limit": 8}
    late = errors.OracleRoundRefused(reporter=b"\x02" * 20, prices=[1, 2])
    told = REFUSALS.of_command(None, rejected(late))["values"]
    assert told == {"reporter": "0x" + "02" * 20, "prices": [1, 2]}


# Counts, ids, times, and what is no number.
PLAIN = {
    "nonce", "highest", "lowest", "order_id", "client_id", "items", "group", "now", "expires",
    "good_till", "age_ms", "field", "detail", "account", "signer", "agent", "expired_at", "until",
    "type", "errors", "market", "latest",
}  # fmt: skip
BOUNDED = {
    errors.NonceTooFar, errors.TooManyItems, errors.TooManyAgents, errors.ExpiryTooFar,
    errors.MarkStale, errors.RiskDataTooOld, errors.TooManyOpenOrders, errors.AuctionFull,
    errors.ValueOutOfRange,
}  # fmt: skip
"""Of these ``limit``, ``low`` and ``high`` are counts or times."""


@pytest.mark.parametrize("temper", sorted(TEMPERS))
def test_no_figure_of_an_action_s_refusal_is_left_in_the_log_s_units(temper: str) -> None:
    state = State.genesis(MIXED, DOMAIN)
    draw = RandomLog(5, TEMPERS[temper], state).draw
    bounded = {kind.code for kind in BOUNDED}
    seen: set[int] = set()
    for _ in range(2_500):
        command = draw()
        for event in apply(state, command):
            if not isinstance(command, Action) or not isinstance(event, ItemRejected | Rejected):
                continue
            seen.add(event.code)
            plain = PLAIN | ({"limit", "low", "high"} if event.code in bounded else set())
            assert event.values.keys() <= plain | UNITS.get(event.code, {}).keys(), event
    assert len(seen & UNITS.keys()) > 5
