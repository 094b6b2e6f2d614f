"""What reduces risk is never refused while anything that adds risk is taken: of any account."""

from random import Random

import pytest

from node.ingress.account_limits import UNPAID_ITEM_WEIGHT, AccountLimits
from node.ingress.config import IngressConfig
from node.types.commands import (
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    SetSwitch,
    Side,
    SignedAction,
    Withdraw,
)
from node.types.errors import RateLimited
from node.types.ids import Address, MarketId, OrderId
from node.types.lanes import lane_of
from node.types.units import Lots, Millis, Money, Ticks

ORDER = NewOrder(MarketId(1), Side.BUY, OrderType.GTC, Ticks(1), Lots(1))
CANCEL = CancelOrder(OrderId(1))
ACCOUNTS = [Address(bytes([number]) * 20) for number in range(3)]


def action(account: Address, items: int, *, reduces: bool) -> SignedAction:
    """Return an action of so many items; of none, one that is heavy without any."""
    head = (account, account, 1, Millis(1), b"")
    if reduces:
        return PlaceOrders(*head, (CANCEL,) * items, ()) if items else SetSwitch(*head, Millis(5))
    return PlaceOrders(*head, (), (ORDER,) * items) if items else Withdraw(*head, Money(5))


def fits(limits: AccountLimits, asked: SignedAction, now_ns: int) -> bool:
    budget = limits.budget_of(asked, lane_of(asked))
    assert budget is not None
    try:
        limits.require(budget, asked, now_ns)
    except RateLimited:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_no_account_adds_what_it_could_not_cancel(seed: int) -> None:
    print(f"seed {seed}")
    random, now_ns, refused = Random(seed), 0, 0
    config = IngressConfig(
        adding_per_s=random.randint(10, 1_000),
        adding_burst=random.randint(1_100, 1_500),
        reducing_per_s=random.randint(1_000, 2_000),
        reducing_burst=random.randint(1_500, 1_900),
    )
    limits = AccountLimits(config, lambda _: True)
    for _ in range(3_000):
        now_ns += random.choice((0, 0, 1_000_000, 8_000_000))
        account, reduces = random.choice(ACCOUNTS), random.random() < 0.7
        asked = action(account, random.choice((0, 1, 20, 100)), reduces=reduces)
        if fits(limits, asked, now_ns):
            budget = limits.budget_of(asked, lane_of(asked))
            assert budget is not None
            limits.charge(budget, asked, now_ns)
            if random.random() < 0.1:
                # What it refused for nothing, which may not fit.
                budget.charge(account, UNPAID_ITEM_WEIGHT * random.randint(1, 5), now_ns)
        elif reduces:
            refused += 1
            assert not fits(limits, action(account, 1, reduces=False), now_ns)
    # Otherwise nothing was shown.
    assert refused > 20
    for budget in (limits.adding, limits.reducing):
        assert budget.offered == budget.charged + budget.refused
