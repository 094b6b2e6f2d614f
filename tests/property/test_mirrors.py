"""What the publisher keeps from events equals what the state holds, after every block."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from node.ports.api import Channel
from node.publisher.accounts import Accounts
from node.publisher.books import Books
from node.publisher.feeds import Feeds
from node.publisher.marks import Marks
from node.publisher.seed import accounts_of, books_of, marks_of
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import Command, OpenBlock, Side
from node.types.durable import DurableBlock
from node.types.events import Deleveraged, Event, Filled, FundingMoved, Liquidated, Rejected
from node.types.ids import MarketId, Sequence
from node.types.units import Millis
from tests.property.random_log import ACCOUNTS, DOMAIN, RULES, RandomLog
from tests.property.tempers import CRASHES

SEEDS = range(6)
BLOCKS = 120
MARKETS = (MarketId(1), MarketId(2))


def fresh_state() -> State:
    return State.genesis(RULES, DOMAIN)


def blocks_of(seed: int, state: State, count: int = BLOCKS) -> Iterator[DurableBlock]:
    """Yield blocks of a random log; at each, ``state`` stands where the block ends."""
    log = RandomLog(seed, CRASHES, state)
    commands: list[Command] = []
    events: list[tuple[Event, ...]] = []

    def add(command: Command) -> None:
        happened = apply(state, command)
        if not isinstance(happened[0], Rejected):
            commands.append(command)
            events.append(happened)

    while count:
        command = log.draw()
        if isinstance(command, OpenBlock) and commands:
            while state.closing():
                add(state.closing()[0])
            yield durable(state, commands, events)
            commands, events, count = [], [], count - 1
        add(command)


def durable(state: State, commands: list[Command], events: list[tuple[Event, ...]]) -> DurableBlock:
    """Return commands and events as a block without hashes, of which mirrors know nothing."""
    block = Block(
        number=state.block,
        time=Millis(state.time),
        first_sequence=Sequence(state.sequence - len(commands) + 1),
        commands=tuple(commands),
        ids=(bytes(32),) * len(commands),
        parent=GENESIS_PARENT,
        hash=bytes(32),
        signature=bytes(65),
        changes=bytes(32),
    )
    links = (bytes(32),) * (len(commands) + 1)
    return DurableBlock(block, tuple(events), links, state.drain_changes())


def book_of(state: State, market: MarketId, side: Side) -> list[tuple[int, int]]:
    return [(price, size) for price, size, _ in state.market(market).book.levels(side)]


def shown(accounts: Accounts) -> dict[bytes, Any]:
    """Return all that the mirrors of accounts hold, without the order in which it came."""
    return {
        address: (
            mirror.free,
            mirror.reserved,
            dict(sorted(mirror.positions.items())),
            {
                number: (
                    order.client_id, order.market, order.side, order.price, order.remaining,
                    order.reduce_only, order.type, order.filled, order.state, order.good_till,
                    order.group, order.self_trade, order.trigger, order.trigger_price,
                )
                for number, order in sorted(mirror.orders.items())
            },
            mirror.nonce,
            {agent: (one.until, one.nonce) for agent, one in sorted(mirror.agents.items())},
        )
        for address, mirror in accounts.by_address.items()
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mirrors_are_the_state(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    books, accounts, marks = Books(2), Accounts(RULES.limits), Marks(Sequence(0))
    seen: set[type] = set()
    premiums = most_held = 0
    for block in blocks_of(seed, state):
        books.take(block)
        accounts.take(block)
        marks.take(block)
        seen.update(type(event) for events in block.events for event in events)
        assert (marks.time, marks.lag) == (state.time, state.lag)
        assert marks.by_market == marks_of(state).by_market
        premiums += sum(known.premium_sum != 0 for known in marks.by_market.values())
        for market in MARKETS:
            held = [account.positions.get(market) for account in state.accounts.values()]
            longs = sum(one.size for one in held if one is not None and one.size > 0)
            assert accounts.open_interest[market] == longs
            most_held = max(most_held, longs)
            for side in Side:
                assert books.levels(market, side) == book_of(state, market, side)
    assert shown(accounts) == shown(accounts_of(state))
    # Otherwise the log was too quiet to show anything.
    assert {Filled, Liquidated, Deleveraged, FundingMoved} <= seen
    assert min(premiums, most_held) > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_mirrors_seeded_in_the_middle_go_on_like_the_others(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    blocks = blocks_of(seed, state)
    for _ in range(BLOCKS // 2):
        next(blocks)
    books, accounts = books_of(state), accounts_of(state)
    for block in blocks:
        books.take(block)
        accounts.take(block)
        assert +accounts.open_interest == +accounts_of(state).open_interest
    assert shown(accounts) == shown(accounts_of(state))
    for market in MARKETS:
        for side in Side:
            assert books.levels(market, side) == book_of(state, market, side)


class Everything:
    """Someone who listens to every channel."""

    def __contains__(self, channel: object) -> bool:
        return True


@pytest.mark.parametrize("seed", SEEDS)
def test_a_reader_who_follows_the_diffs_has_the_book(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(Sequence(0)), bytes, Sequence(0))
    channel = Channel("book", MarketId(1))
    blocks = blocks_of(seed, state)
    for _ in range(BLOCKS // 3):
        feeds.take(next(blocks), Everything())
    book, last = read_snapshot(feeds, channel)
    diffs = 0
    for block in blocks:
        for message in feeds.take(block, Everything()):
            if message.channel == channel:
                diff = msgspec.json.decode(message.frame)
                assert diff["prev_seq"] == last
                assert diff["seq"] == block.block.last_sequence
                last = diff["seq"]
                follow(book, diff)
                diffs += 1
        assert (book, last) == read_snapshot(feeds, channel)
    assert diffs > BLOCKS // 4


def read_snapshot(feeds: Feeds, channel: Channel) -> tuple[dict[str, dict[str, str]], int]:
    snapshot = msgspec.json.decode(feeds.standing(channel)[0])
    assert snapshot["type"] == "snapshot"
    book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
    return book, snapshot["seq"]


def follow(book: dict[str, dict[str, str]], diff: dict[str, Any]) -> None:
    for side in ("bids", "asks"):
        for price, size in diff[side]:
            if size == "0":
                del book[side][price]
            else:
                assert book[side].get(price) != size, "a level that did not change was sent"
                book[side][price] = size


@pytest.mark.parametrize("seed", SEEDS)
def test_the_messages_of_an_account_chain(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(Sequence(0)), bytes, Sequence(0))
    last = dict.fromkeys((Channel("account", account=address) for address in ACCOUNTS), 0)
    counted = 0
    for block in blocks_of(seed, state):
        for message in feeds.take(block, last):
            update = msgspec.json.decode(message.frame)
            assert update["prev_seq"] == message.prev_seq == last[message.channel]
            assert update["events"]
            last[message.channel] = update["seq"]
            counted += 1
    assert counted > BLOCKS
    for channel, sequence in last.items():
        assert msgspec.json.decode(feeds.standing(channel)[0])["seq"] == sequence
