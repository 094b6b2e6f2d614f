"""Budgets of weight: who is charged, what fits, and what is remembered."""

from typing import Any

import msgspec
import pytest

from node.ingress.account_limits import (
    ACCOUNTS_MAX,
    UNPAID_ITEM_WEIGHT,
    WEIGHT_MAX,
    AccountLimits,
    WeightBudget,
    unpaid_weight,
    weight_of,
)
from node.ingress.config import IngressConfig, check_ingress_config
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    SetSwitch,
    Side,
    SignedAction,
    Withdraw,
)
from node.types.errors import (
    AmendInvalid,
    CommandRejected,
    ConfigInvalid,
    DuplicateClientId,
    FeeAboveMax,
    RateLimited,
    UnknownOrder,
)
from node.types.events import ItemRejected, WorkCharged
from node.types.fees import FREE, FeeRules
from node.types.ids import EVERY_MARKET, Address, MarketId, OrderId
from node.types.lanes import lane_of
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB, MALLORY

S = 1_000_000_000
HEAD = (ALICE.address, ALICE.address, 1, Millis(1), b"")
ORDER = NewOrder(MarketId(1), Side.BUY, OrderType.GTC, Ticks(1), Lots(1))
CANCEL = CancelOrder(OrderId(1))
AMEND = AmendOrder(MarketId(1), Ticks(1), Lots(1), OrderId(1))
PAID_KILL = msgspec.structs.replace(ORDER, type=OrderType.FOK)
KILL = msgspec.structs.replace(PAID_KILL, reduce_only=True)
SMALL = IngressConfig(adding_per_s=10, adding_burst=1_200, reducing_per_s=20, reducing_burst=1_400)


def placing(orders: int, cancels: int = 0) -> PlaceOrders:
    return PlaceOrders(*HEAD, (CANCEL,) * cancels, (ORDER,) * orders)


def cancelling(count: int) -> PlaceOrders:
    return PlaceOrders(*HEAD, (CANCEL,) * count, ())


def use(limits: AccountLimits, action: SignedAction, now_ns: int = 0) -> WeightBudget:
    budget = limits.budget_of(action, lane_of(action))
    assert budget is not None
    limits.require(budget, action, now_ns)
    limits.charge(budget, action, now_ns)
    return budget


def limits_of(config: IngressConfig = SMALL) -> AccountLimits:
    return AccountLimits(config, lambda action: action.signer == action.account)


@pytest.mark.parametrize(
    ("action", "weight", "budget"),
    [
        (placing(3, 2), 5, "adding"),
        (cancelling(7), 7, "reducing"),
        (PlaceOrders(*HEAD, (), (), amends=(AMEND,) * 4), 4, "adding"),
        (CancelAll(*HEAD, EVERY_MARKET), 1, "reducing"),
        (AdjustMargin(*HEAD, MarketId(1), Money(5)), 1_000, "reducing"),
        (AdjustMargin(*HEAD, MarketId(1), Money(-5)), 1_000, "adding"),
        (Withdraw(*HEAD, Money(5)), 1_000, "adding"),
        (ApproveAgent(*HEAD, BOB.address, Millis(5)), 1_000, "adding"),
        (SetSwitch(*HEAD, Millis(5)), 1_000, "reducing"),
        (PlaceOrders(*HEAD, (), ()), 1, "reducing"),
        (PlaceOrders(*HEAD, (CANCEL,), (KILL,) * 2), 203, "reducing"),
        (PlaceOrders(*HEAD, (), (KILL,) * 100), WEIGHT_MAX, "reducing"),
        (PlaceOrders(*HEAD, (), (KILL, ORDER)), 102, "adding"),
        (PlaceOrders(*HEAD, (), (PAID_KILL,)), 1, "adding"),
    ],
)
def test_an_action_weighs_its_items_and_what_nobody_pays_for(
    action: SignedAction, weight: int, budget: str
) -> None:
    assert weight_of(action) == weight
    assert use(limits_of(), action).name == budget


@pytest.mark.parametrize("begun_ns", [0, 1_000_000 * S])
def test_what_is_over_is_refused_with_the_time_to_come_back(begun_ns: int) -> None:
    """Neither what came before nor a long silence earns more than the burst."""
    limits = limits_of()
    for _ in range(12):
        use(limits, placing(100), begun_ns)
    with pytest.raises(RateLimited) as refused:
        use(limits, placing(5), begun_ns)
    assert refused.value.values == {
        "of": "account_adding", "limit": 10, "weight": 5, "retry_after_ms": 500
    }  # fmt: skip
    with pytest.raises(RateLimited):
        use(limits, placing(5), begun_ns + S // 2 - 1)
    use(limits, placing(5), begun_ns + S // 2)


def test_the_time_to_come_back_is_rounded_up() -> None:
    limits = limits_of()
    for _ in range(12):
        use(limits, placing(100))
    with pytest.raises(RateLimited) as refused:
        use(limits, placing(5), 1)
    assert refused.value.retry_after_ms == 500, "a nanosecond less than 500 ms is no 499"


def test_cancels_do_not_draw_on_the_budget_of_orders() -> None:
    limits = limits_of()
    for _ in range(12):
        use(limits, placing(100))
    for _ in range(14):
        use(limits, cancelling(100))
    assert limits.of(ALICE.address, 0)[0].remaining == 0
    assert limits.of(ALICE.address, 0)[1].remaining == 0
    assert limits.of(BOB.address, 0)[0].remaining == 1_200


def test_nothing_may_be_added_while_the_heaviest_action_would_not_fit() -> None:
    limits = limits_of()
    for _ in range(4):
        use(limits, cancelling(100))
    with pytest.raises(RateLimited) as refused:
        use(limits, placing(1))
    assert refused.value.retry_after_ms == 5_000
    use(limits, cancelling(100), 5 * S)
    with pytest.raises(RateLimited):
        use(limits, placing(1), 10 * S - 1)
    use(limits, placing(1), 10 * S)


def test_a_stranger_charges_nobody() -> None:
    limits = limits_of()
    forged = PlaceOrders(ALICE.address, MALLORY.address, 1, Millis(1), b"", (), (ORDER,) * 100)
    assert limits.budget_of(forged, lane_of(forged)) is None
    assert limits.of(ALICE.address, 0)[0].used == 0


def test_what_was_used_is_told_rounded_up() -> None:
    limits = limits_of()
    use(limits, placing(3))
    told = limits.of(ALICE.address, 150_000_000)[0]
    assert (told.limit, told.per_s, told.used, told.remaining, told.reset_ms) == (
        1_200, 10, 2, 1_198, 150
    )  # fmt: skip


def test_weight_conserves() -> None:
    limits = limits_of()
    for step in range(50):
        try:
            use(limits, placing(10 * (step % 9 + 1)), step * S // 100)
        except RateLimited:
            continue
    assert limits.adding.refused > 0
    assert limits.adding.offered == limits.adding.charged + limits.adding.refused


def test_whose_bucket_is_empty_is_forgotten() -> None:
    budget = WeightBudget("adding", 1_000, WEIGHT_MAX)
    for number in range(10_000):
        budget.charge(Address(number.to_bytes(20, "big")), 1, number * 1_000_000)
    assert len(budget) <= 4_097
    assert budget.forgotten == 0


def test_the_table_is_bounded_though_nobodys_bucket_empties() -> None:
    budget = WeightBudget("adding", 1, WEIGHT_MAX)
    for number in range(2 * ACCOUNTS_MAX):
        budget.charge(Address(number.to_bytes(20, "big")), 1, 0)
        assert len(budget) <= ACCOUNTS_MAX + 1
    assert budget.forgotten == 2 * ACCOUNTS_MAX - len(budget)


@pytest.mark.parametrize(
    "keys",
    [
        {"adding_burst": WEIGHT_MAX - 1},
        {"reducing_per_s": 9_999},
        {"reducing_burst": 99_999},
        {"adding_per_s": 0},
    ],
)
def test_a_budget_that_could_not_hold_is_no_configuration(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid):
        check_ingress_config(IngressConfig(**keys))


def rejected(kind: type[CommandRejected], item: int) -> ItemRejected:
    return ItemRejected(item, kind.code, kind.__name__, {})


FEES = FeeRules()


@pytest.mark.parametrize("kind", [FeeAboveMax, DuplicateClientId, AmendInvalid, UnknownOrder])
def test_what_was_refused_unpaid_in_an_action_that_applied_is_charged_afterwards(
    kind: type[CommandRejected],
) -> None:
    refused = [rejected(kind, item) for item in range(6)]
    assert unpaid_weight(refused, FEES) == 6 * UNPAID_ITEM_WEIGHT
    # Two orders were paid for: as many are let off, whichever they are.
    paid = WorkCharged(ALICE.address, FEES.units(2), Money(1), Money(12))
    assert unpaid_weight([*refused, paid], FEES) == 4 * UNPAID_ITEM_WEIGHT
    assert unpaid_weight([*refused[:2], paid], FEES) == 0
    assert unpaid_weight([paid], FEES) == unpaid_weight([], FEES) == 0


def test_nobody_owes_for_refusals_where_nothing_is_ever_paid() -> None:
    refused = [rejected(UnknownOrder, 0)]
    nothing = msgspec.structs.replace(FEES, per_action=0, per_order=0)
    assert unpaid_weight(refused, FREE) == unpaid_weight(refused, nothing) == 0
    by_action = msgspec.structs.replace(FEES, per_order=0)
    assert unpaid_weight(refused, by_action) == UNPAID_ITEM_WEIGHT


def test_junk_beside_one_item_that_applies_stops_at_some_kilobytes_a_second() -> None:
    limits = AccountLimits(IngressConfig(), lambda _: True)
    action = placing(orders=99, cancels=1)
    weight = unpaid_weight([rejected(FeeAboveMax, item) for item in range(2, 100)], FEES)
    sent = now_ns = 0
    while now_ns < 10 * S:
        try:
            budget = use(limits, action, now_ns)
        except RateLimited as error:
            now_ns += error.values["retry_after_ms"] * 1_000_000
            continue
        budget.charge(ALICE.address, weight, now_ns)
        sent += 1
    # A burst of ten and one a second; by its items alone it would be 1,000 and 100 a second.
    assert 15 <= sent <= 25
