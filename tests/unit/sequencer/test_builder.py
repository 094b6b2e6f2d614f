"""The builder: what a block holds, when there is none, and how it is sealed."""

import pytest

from node.codec.changes import changes_digest
from node.ports.terms import Terms
from node.sequencer.builder import Builder, Unsigned
from node.sequencer.submission import Submission
from node.types.blocks import GENESIS_PARENT
from node.types.commands import Command, NewOrder, OpenBlock, OrderType, PlaceOrders, Side
from node.types.errors import IntegrityError
from node.types.events import Deposited, Event, Rejected
from node.types.hashing import keccak256
from node.types.ids import MarketId, Sequence
from node.types.units import Lots, Millis, Money, Ticks
from tests.unit.sequencer.toy_machine import ALICE, FATAL, REFUSED, Ledger, apply, name_of, pay

NOW = Millis(1_000)


def _submissions(*commands: Command) -> list[Submission]:
    return [Submission(command, name_of(command), lambda _outcome: None) for command in commands]


def _builder() -> Builder[Ledger]:
    return Builder(Ledger(), apply, name_of, GENESIS_PARENT)


def _built(builder: Builder[Ledger], *commands: Command, now: Millis = NOW) -> Unsigned:
    unsigned = builder.build(_submissions(*commands), now).unsigned
    assert unsigned is not None
    return unsigned


def test_a_block_opens_with_its_time_and_holds_what_was_accepted() -> None:
    builder = _builder()
    draft = builder.build(_submissions(pay(0), pay(1, REFUSED), pay(2)), NOW)
    assert draft.unsigned is not None
    block = draft.unsigned.block
    assert block.commands == (OpenBlock(1, NOW), pay(0), pay(2))
    assert (block.number, block.time, block.first_sequence, block.last_sequence) == (1, NOW, 1, 3)
    assert draft.results[0] == 1
    assert isinstance(draft.results[1], Rejected)
    assert draft.results[2] == 2
    assert len(draft.unsigned.events) == len(block.commands)
    assert builder.state.sequence == 3


def test_the_hash_is_the_formula_of_the_format() -> None:
    builder = _builder()
    first = _built(builder, pay(0)).block
    second = _built(builder, pay(1), pay(2)).block
    link = first.hash
    for command in second.commands:
        link = keccak256(link + name_of(command))
    head = b"".join(value.to_bytes(8, "big") for value in (2, NOW, 3, 3))
    assert second.parent == first.hash
    assert second.hash == keccak256(head + link)
    assert first.parent == GENESIS_PARENT


def test_links_stand_before_each_command_and_after_the_last() -> None:
    unsigned = _built(_builder(), pay(0), pay(1))
    links, ids = unsigned.links, unsigned.block.ids
    assert links[0] == unsigned.block.parent
    assert [keccak256(link + name) for link, name in zip(links, ids, strict=False)] == [*links[1:]]


def test_changes_are_those_of_the_block_alone() -> None:
    builder = _builder()
    first = _built(builder, pay(0))
    second = _built(builder, pay(1))
    assert first.block.changes == changes_digest(first.leaves)
    assert first.block.changes != second.block.changes
    assert builder.state.changed == set()


def test_only_rejections_leave_neither_block_nor_trace() -> None:
    builder, untouched = _builder(), _builder()
    draft = builder.build(_submissions(pay(0, REFUSED)), NOW)
    assert draft.unsigned is None
    assert isinstance(draft.results[0], Rejected)
    assert list(builder.state.leaves()) == list(untouched.state.leaves())
    later = Millis(NOW + 5)
    assert _built(builder, pay(1), now=later) == _built(untouched, pay(1), now=later)


def test_time_never_runs_back() -> None:
    builder = _builder()
    _built(builder, pay(0))
    assert _built(builder, pay(1), now=Millis(NOW - 500)).block.time == NOW


def test_a_block_opens_on_the_terms_of_its_time() -> None:
    asked: list[Millis] = []

    def terms(time: Millis) -> Terms:
        asked.append(time)
        return Terms(Money(150), Millis(780_000))

    builder = Builder(Ledger(), apply, name_of, GENESIS_PARENT, terms)
    opening = _built(builder, pay(0)).block.commands[0]
    assert opening == OpenBlock(1, NOW, Money(150), Millis(780_000))
    assert asked == [NOW]


def test_a_broken_transition_is_an_integrity_error() -> None:
    builder = _builder()
    with pytest.raises(IntegrityError) as failure:
        builder.build(_submissions(pay(0), pay(1, FATAL)), NOW)
    assert failure.value.what == "transition"
    assert failure.value.sequence == 3
    assert failure.value.command == "Deposit"


def test_a_block_whose_opening_is_refused_is_an_integrity_error() -> None:
    def refusing(_state: Ledger, _command: Command) -> tuple[Event, ...]:
        return (Rejected(1, "BlockOutOfOrder", {}),)

    builder = Builder(Ledger(), refusing, name_of, GENESIS_PARENT)
    with pytest.raises(IntegrityError) as failure:
        builder.build(_submissions(pay(0)), NOW)
    assert failure.value.what == "opening"


def test_an_integrity_error_of_the_transition_keeps_its_own_values() -> None:
    def broken(_state: Ledger, _command: Command) -> tuple[()]:
        raise IntegrityError(what="money")

    builder = Builder(Ledger(), broken, name_of, GENESIS_PARENT)
    with pytest.raises(IntegrityError) as failure:
        builder.build(_submissions(pay(0)), NOW)
    assert failure.value.values == {"what": "money"}


def test_what_the_state_asks_for_stands_at_the_end_of_its_block() -> None:
    builder = _builder()
    builder.state.due = [pay(8), pay(9)]
    draft = builder.build(_submissions(pay(0), pay(1, REFUSED)), NOW)
    assert draft.unsigned is not None
    assert draft.unsigned.block.commands == (OpenBlock(1, NOW), pay(0), pay(8), pay(9))
    assert draft.unsigned.block.ids[2:] == (name_of(pay(8)), name_of(pay(9)))
    assert len(draft.unsigned.events) == 4
    assert len(draft.results) == 2


def test_where_nothing_was_accepted_nothing_is_asked_for() -> None:
    builder = _builder()
    builder.state.due = [pay(8)]
    assert builder.build(_submissions(pay(0, REFUSED)), NOW).unsigned is None
    assert builder.state.sequence == 0


def test_a_state_that_refuses_what_it_asked_for_stops_everything() -> None:
    builder = _builder()
    builder.state.due = [pay(8, REFUSED)]
    with pytest.raises(IntegrityError) as failure:
        builder.build(_submissions(pay(0)), NOW)
    assert failure.value.what == "closing"


def test_results_keep_to_the_submissions_however_the_block_is_sorted() -> None:
    def accepting(state: Ledger, command: Command) -> tuple[Event, ...]:
        if not isinstance(command, PlaceOrders):
            return apply(state, command)
        state.sequence = Sequence(state.sequence + 1)
        return (Deposited(0, command.account, Money(0)),)

    market = MarketId(1)
    builder = Builder(
        Ledger(), accepting, name_of, GENESIS_PARENT, cancels_first=frozenset({market})
    )
    take = NewOrder(market, Side.BUY, OrderType.MARKET, Ticks(1), Lots(1))
    taker = PlaceOrders(ALICE, ALICE, 1, Millis(9_999), b"", (), (take,))
    submissions = [Submission(taker, bytes(32), lambda _outcome: None), *_submissions(pay(0))]
    draft = builder.build(submissions, NOW)
    assert draft.unsigned is not None
    assert draft.unsigned.block.commands == (OpenBlock(1, NOW), pay(0), taker)
    assert draft.results == (2, 1)
