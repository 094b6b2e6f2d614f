"""Markets of every ordering side by side: what holds after every block of any log."""

from decimal import Decimal

import msgspec
import pytest

from node.client.local_account import LocalAccount
from node.client.local_account import Order as LocalOrder
from node.ports.api import Channel
from node.publisher.accounts import Accounts
from node.publisher.books import Books
from node.publisher.feeds import Feeds
from node.publisher.marks import Marks
from node.publisher.seed import accounts_of
from node.sequencer.recovery import replay
from node.transition import invariants
from node.transition.apply import apply
from node.transition.batch_replica import BatchReplica
from node.transition.replay import Replica
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.blocks import GENESIS_PARENT
from node.types.commands import PlaceOrders, Side, Uncross
from node.types.durable import DurableBlock
from node.types.errors import (
    AuctionFull,
    AuctionPending,
    OrderTypeRefused,
    OutOfPhase,
    StateDiverged,
)
from node.types.events import CancelReason, Filled, OrderAccepted, OrderCancelled, Uncrossed
from node.types.ids import Sequence
from node.types.rules import Ordering
from tests.examples import DOMAIN
from tests.property.fair_log import FAIR_RULES, MARKETS, TRADERS, FairLog, told
from tests.property.test_mirrors import book_of, shown

SEEDS = (1, 2, 3, 4)
BLOCKS = 150
AUCTION = MARKETS[list(Ordering).index(Ordering.AUCTION)]


class Run:
    """A log with the state at its end; what its blocks did is checked as they are built."""

    def __init__(self, seed: int, count: int) -> None:
        self.log = FairLog(seed)
        self.state = self.log.state
        self.blocks = [self.log.opening()]
        for _ in range(count):
            self.blocks.append(self.log.block())
            assert not self.state.closing()
            invariants.check(self.state)


@pytest.fixture(scope="module", params=SEEDS)
def run(request: pytest.FixtureRequest) -> Run:
    print(f"seed {request.param}")
    return Run(request.param, BLOCKS)


def test_sequencer_replica_and_recovery_come_to_one_root(run: Run) -> None:
    root = StateTree.build(dict(run.state.leaves())).root
    blocks = [durable.block for durable in run.blocks]
    first = BatchReplica(Replica.genesis(FAIR_RULES, DOMAIN), 0, trees_kept=2)
    again = BatchReplica(Replica.genesis(FAIR_RULES, DOMAIN), 0, trees_kept=2)
    for start in range(0, len(blocks), 40):
        again.replay(first.seal(blocks[start : start + 40], "age"))
    assert first.root == again.root == root
    state, parent = State.genesis(FAIR_RULES, DOMAIN), GENESIS_PARENT
    for durable in run.blocks:
        replayed = replay(state, apply, durable.block, parent)
        assert replayed.events == durable.events
        parent = durable.block.hash
    assert dict(state.leaves()) == dict(run.state.leaves())


def test_a_state_rebuilt_between_blocks_goes_on_like_the_other(run: Run) -> None:
    half = len(run.blocks) // 2
    state, parent = State.genesis(FAIR_RULES, DOMAIN), GENESIS_PARENT
    for durable in run.blocks[:half]:
        replay(state, apply, durable.block, parent)
        parent = durable.block.hash
    twin = State.from_leaves(FAIR_RULES, DOMAIN, state.leaves())
    for durable in run.blocks[half:]:
        assert replay(twin, apply, durable.block, parent).events == durable.events
        parent = durable.block.hash
    assert dict(twin.leaves()) == dict(run.state.leaves())


def test_what_the_publisher_keeps_is_the_state(run: Run) -> None:
    books, accounts = Books(len(MARKETS)), Accounts(FAIR_RULES.limits)
    state, parent = State.genesis(FAIR_RULES, DOMAIN), GENESIS_PARENT
    for durable in run.blocks:
        replay(state, apply, durable.block, parent)
        parent = durable.block.hash
        books.take(durable)
        accounts.take(durable)
        for market in MARKETS:
            for side in Side:
                assert books.levels(market, side) == book_of(state, market, side)
        assert shown(accounts) == shown(accounts_of(state))


def test_an_account_followed_by_its_feed_has_the_orders_that_are_open(run: Run) -> None:
    feeds = Feeds(
        FAIR_RULES,
        Books(len(MARKETS)),
        Accounts(FAIR_RULES.limits),
        Marks(Sequence(0)),
        bytes,
        Sequence(0),
    )
    followed = {Channel("account", account=one.address): LocalAccount() for one in TRADERS}
    for durable in run.blocks:
        for message in feeds.take(durable, followed):
            followed[message.channel].apply(msgspec.json.decode(message.frame))
        for channel, account in followed.items():
            shown_orders = msgspec.json.decode(feeds.account_fields(channel.account)["orders"])
            assert {number: _stands(order) for number, order in account.open.items()} == {
                order["order_id"]: (
                    order["type"], order["reduce_only"], Decimal(order["price"]),
                    Decimal(order["filled"]), Decimal(order["remaining"]),
                )
                for order in shown_orders
            }  # fmt: skip
            for order in account.open.values():
                assert order.amount == order.filled + order.remaining
            assert {order.ended for order in account.open.values()} <= {None}


def _stands(order: LocalOrder) -> tuple[str, bool, Decimal, Decimal, Decimal]:
    return order.type, order.reduce_only, order.price, order.filled, order.remaining


def test_every_auction_has_one_price_and_keeps_every_limit(run: Run) -> None:
    auctions = 0
    for durable in run.blocks:
        limits = _limits_of(durable)
        for command, events in zip(durable.block.commands, durable.events, strict=True):
            if not isinstance(command, Uncross):
                fills = [event for event in events if isinstance(event, Filled)]
                assert not any(event.auction for event in fills)
                continue
            assert isinstance(uncrossed := events[0], Uncrossed)
            fills = [event for event in events if isinstance(event, Filled)]
            assert {event.price for event in fills} <= {uncrossed.price}
            assert sum(event.size for event in fills) == uncrossed.size
            assert all(event.auction and event.maker != event.taker for event in fills)
            for event in fills:
                for order, side in (
                    (event.taker_order, event.taker_side),
                    (event.maker_order, event.taker_side.opposite),
                ):
                    limit = limits.get(order)
                    if limit is not None:
                        assert event.price <= limit if side is Side.BUY else event.price >= limit
            auctions += bool(fills)
    assert auctions > 10


def _limits_of(durable: DurableBlock) -> dict[int, int]:
    return {
        event.order_id: event.price for event in told([durable]) if isinstance(event, OrderAccepted)
    }


def test_a_log_that_ends_before_its_auction_has_no_root(run: Run) -> None:
    place = next(
        place
        for place, durable in enumerate(run.blocks)
        if isinstance(durable.block.commands[-1], Uncross)
    )
    commands = [command for one in run.blocks[: place + 1] for command in one.block.commands]
    with pytest.raises(StateDiverged) as failure:
        Replica.genesis(FAIR_RULES, DOMAIN).execute(commands[:-1])
    assert failure.value.values["error"] == AuctionPending.__name__
    assert failure.value.values["sequence"] == len(commands)


def test_random_blocks_reach_what_is_special_here() -> None:
    """What the draw does not reach, the tests above do not prove."""
    codes: set[int] = set()
    reasons: set[CancelReason] = set()
    out_of_phase = 0
    for seed in SEEDS:
        run = Run(seed, BLOCKS)
        codes |= set(run.log.rejected)
        events = told(run.blocks)
        reasons |= {
            event.reason
            for event in events
            if isinstance(event, OrderCancelled) and event.market == AUCTION
        }
        actions = [
            command
            for one in run.blocks
            for command in one.block.commands
            if isinstance(command, PlaceOrders)
        ]
        assert any(action.amends for action in actions)
        out_of_phase += run.log.rejected.count(OutOfPhase.code)
    assert {AuctionFull.code, OrderTypeRefused.code} <= codes
    assert AuctionPending.code not in codes
    assert reasons >= {
        CancelReason.IMMEDIATE_REMAINDER,
        CancelReason.SELF_TRADE,
        CancelReason.MARGIN,
        CancelReason.REDUCE_ONLY,
        CancelReason.FILL_LIMIT,
        CancelReason.EXPIRED,
        CancelReason.ONE_CANCELS_OTHER,
        CancelReason.REFUSED_ON_ARRIVAL,
    }
    # Only who takes and then cancels what is older, in one block, meets it.
    assert out_of_phase < 20
