"""Each way in which L1 can hold batches up has its own name, and only one is told at a time."""

from itertools import product

import pytest

from node.settlement.config import SettlementConfig
from node.settlement.fees import FeePolicy
from node.settlement.hold_up import HELD_BACK, hold_up_of
from node.types.hold_up import HoldUp
from tests.unit.settlement.test_tracker import Harbour


@pytest.mark.parametrize(
    ("away", "held_back", "unposted", "returned", "pending", "told"),
    [
        (False, "", 0, 0, 0, None),
        (True, "", 0, 0, 0, HoldUp.OUTAGE),
        (True, "fees", 9, 1, 3, HoldUp.OUTAGE),
        (False, "fees", 9, 1, 3, HoldUp.GAS_PRICE),
        (False, "funds", 9, 1, 3, HoldUp.UNFUNDED),
        (False, "inbox", 9, 0, 3, HoldUp.REORG),
        (False, "", 9, 1, 3, HoldUp.REORG),
        (False, "", 9, 0, 3, HoldUp.IN_FLIGHT),
        (False, "", 3, 0, 3, HoldUp.BYTES),
        (False, "", 9, 0, 2, HoldUp.BYTES),
    ],
)
def test_the_first_cause_that_holds_is_told(
    *, away: bool, held_back: str, unposted: int, returned: int, pending: int, told: HoldUp | None
) -> None:
    found = hold_up_of(
        away=away,
        held_back=held_back,
        unposted=unposted,
        returned=returned,
        pending=pending,
        in_flight_max=3,
    )
    assert found is told


def test_unposted_batches_always_have_a_cause() -> None:
    for away, held_back, returned, pending in product(
        (False, True), ("", *HELD_BACK), range(4), range(4)
    ):
        assert hold_up_of(
            away=away, held_back=held_back, unposted=3, returned=returned, pending=pending,
            in_flight_max=2,
        )  # fmt: skip


def test_a_reorg_is_told_until_every_batch_is_back() -> None:
    harbour = Harbour(2)
    harbour.turns(2)
    harbour.tick()
    assert harbour.tracker.hold_up(away=False) is None
    harbour.chain.reorg(2, back_to_pool=False)
    harbour.tick()
    assert harbour.tracker.hold_up(away=False) is HoldUp.REORG
    harbour.turns(3)
    harbour.tick()
    assert harbour.posted == harbour.expected()
    assert harbour.tracker.hold_up(away=False) is None


def test_a_full_pool_and_a_dear_one_are_told_apart() -> None:
    harbour = Harbour(9, SettlementConfig(in_flight_max=3, fees=FeePolicy(max_fee_cap=10**11)))
    harbour.tick()
    assert harbour.tracker.hold_up(away=False) is HoldUp.IN_FLIGHT
    assert harbour.tracker.hold_up(away=True) is HoldUp.OUTAGE
    dear = Harbour(9, SettlementConfig(in_flight_max=3, fees=FeePolicy(max_fee_cap=10**9)))
    dear.chain.base_fee = 10**12
    assert dear.tick() == ()
    assert dear.tracker.hold_up(away=False) is HoldUp.GAS_PRICE


def test_an_empty_account_is_told_from_a_full_pool() -> None:
    harbour = Harbour(9, SettlementConfig(in_flight_max=3))
    harbour.chain.funded = False
    harbour.tick()
    harbour.tick()
    assert harbour.tracker.hold_up(away=False) is HoldUp.UNFUNDED
