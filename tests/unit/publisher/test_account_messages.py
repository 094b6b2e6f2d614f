"""What the snapshot of an account takes at most: the check of the configuration rests on it."""

import msgspec
import pytest

from node.publisher.account_messages import AccountMessages, snapshot_bytes_max
from node.publisher.account_mirror import OpenOrder
from node.publisher.accounts import Accounts
from node.publisher.message import Framer
from node.types.commands import OrderType, SelfTrade, Side, Trigger
from node.types.events import PositionChanged
from node.types.ids import Address, ClientOrderId, MarketId, OrderId, Sequence
from node.types.rules import Limits, Rules
from node.types.units import MONEY_DECIMALS, Lots, Millis, Money, Ticks
from tests.examples import ALICE, RULES

MOST = 2**63 - 1


def rules_of(tick_decimals: int, limits: Limits) -> Rules:
    """Return rules of two markets with the longest symbols."""
    markets = (
        msgspec.structs.replace(
            market,
            symbol=chr(65 + place) * 32,
            tick_decimals=tick_decimals,
            lot_decimals=MONEY_DECIMALS - tick_decimals,
        )
        for place, market in enumerate(RULES.markets)
    )
    return msgspec.structs.replace(RULES, markets=tuple(markets), limits=limits)


def longest_order(order_id: int) -> OpenOrder:
    return OpenOrder(
        OrderId(order_id),
        ClientOrderId(2**64 - 1),
        MarketId(1),
        Side.SELL,
        Ticks(MOST),
        Lots(MOST),
        OrderType.SLIDE,
        reduce_only=False,
        filled=Lots(MOST),
        state="partly_filled",
        good_till=Millis(MOST),
        group=2**64 - 1,
        self_trade=SelfTrade.CANCEL_TAKER,
        trigger=Trigger.TAKE_PROFIT,
        trigger_price=Ticks(MOST),
    )


@pytest.mark.parametrize("tick_decimals", [0, 3, MONEY_DECIMALS])
@pytest.mark.parametrize("many", [1, 60])
def test_no_account_takes_more_than_its_rules_allow(tick_decimals: int, many: int) -> None:
    limits = Limits(open_orders_per_account=many, agents_per_account=many)
    rules = rules_of(tick_decimals, limits)
    accounts = Accounts(limits)
    mirror = accounts.seed(ALICE.address, Sequence(MOST))
    mirror.free = mirror.reserved = Money(-MOST)
    mirror.switch = (Millis(MOST), False)
    for number in range(many):
        order_id = MOST - number
        mirror.orders[OrderId(order_id)] = longest_order(order_id)
    for market in range(1, len(rules.markets) + 1):
        worst = (Lots(-MOST), Money(-MOST), Money(-MOST), -MOST)
        mirror.positions[MarketId(market)] = PositionChanged(
            ALICE.address, MarketId(market), *worst
        )
    mirror.nonce = MOST
    for number in range(many):
        mirror.know(Address(number.to_bytes(20, "big")), Millis(MOST), MOST)
    snapshot = AccountMessages(rules, accounts, Framer(bytes)).standing(ALICE.address)
    assert len(snapshot) <= snapshot_bytes_max(rules)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", Ticks(1)),
        ("remaining", Lots(1)),
        ("filled", Lots(1)),
        ("state", "resting"),
        ("trigger_price", Ticks(1)),
        ("good_till", Millis(1)),
    ],
)
def test_an_order_is_told_as_it_stands_whatever_of_it_moved(field: str, value: object) -> None:
    def told(order: OpenOrder) -> bytes:
        accounts = Accounts(RULES.limits)
        accounts.seed(ALICE.address, Sequence(1)).orders[order.order_id] = order
        return AccountMessages(RULES, accounts, Framer(bytes)).standing(ALICE.address)

    order, same = longest_order(1), longest_order(1)
    before = told(order)
    for one in (order, same):
        setattr(one, field, value)
    assert told(order) == told(same) != before
