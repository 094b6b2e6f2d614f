"""What senders are told of their items is how things stand once their action has been applied."""

from typing import Any, get_args

import pytest

from node.codec.answers import ItemStatus
from node.publisher.item_results import CancelResult, OrderResult
from node.publisher.results import ResultWriter
from node.transition.account import Account
from node.transition.apply import apply
from node.transition.state import State
from node.types.commands import PlaceOrders
from node.types.units import decimal_from_units
from tests.examples import DOMAIN
from tests.property.fair_log import FAIR_RULES, FairLog

BLOCKS = 60
TOLD = {*get_args(ItemStatus), "done", "error"}
WRITER = ResultWriter(FAIR_RULES)


def statuses_of(seed: int) -> set[str]:
    """Follow a random log with a state of its own; return the statuses that were told."""
    log, state = FairLog(seed), State.genesis(FAIR_RULES, DOMAIN)
    statuses: set[str] = set()
    for block in (log.opening(), *(log.block() for _ in range(BLOCKS))):
        for command in block.block.commands:
            events = apply(state, command)
            results = WRITER.results(command, events)
            if isinstance(command, PlaceOrders):
                account = state.accounts[command.account]
                for item, result in enumerate(results):
                    check(state, account, command, item, result)
            statuses |= {one["status"] if isinstance(one, dict) and "status" in one
                         else getattr(one, "status", "error") for one in results}  # fmt: skip
    return statuses


def check(state: State, account: Account, command: PlaceOrders, item: int, result: Any) -> None:
    """Hold one result against the account."""
    if isinstance(result, dict):
        assert result["error"]["name"]
        return
    resting = account.orders.get(result.order_id)
    waiting = account.waiting.get(result.order_id)
    if isinstance(result, CancelResult):
        assert item < len(command.cancels)
        assert resting is None
        assert waiting is None
        return
    assert isinstance(result, OrderResult)
    assert item >= len(command.cancels)
    amends = item < len(command.cancels) + len(command.amends)
    is_open = result.status in {"resting", "accepted", "waiting", "amended"}
    assert is_open == (resting is not None or waiting is not None)
    assert is_open or result.status in {"filled", "partly_filled", "dropped", "cancelled"}
    assert (result.reason is None) == (is_open or result.status == "filled")
    assert (result.status == "amended") == (amends and is_open)
    if resting is not None:
        market = state.market(resting.market)
        assert result.remaining == decimal_from_units(resting.remaining, market.rules.lot_decimals)
        assert result.client_id == resting.client_id
    if waiting is not None:
        market = state.market(waiting.market)
        assert result.remaining == decimal_from_units(waiting.new.size, market.rules.lot_decimals)
        assert amends or result.status == "waiting"


@pytest.mark.parametrize("seed", range(6))
def test_results_are_how_things_stand(seed: int) -> None:
    assert statuses_of(seed) <= TOLD


def test_every_status_is_told_sooner_or_later() -> None:
    told: set[str] = set()
    for seed in range(100, 108):
        told |= statuses_of(seed)
    assert told == TOLD
