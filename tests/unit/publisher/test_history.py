"""The recent past is found by number and by sequence; what is older is gone, with a word."""

import pytest

from node.publisher.history import History
from node.types.blocks import Block
from node.types.commands import OpenBlock
from node.types.durable import DurableBlock
from node.types.errors import NotFound
from node.types.ids import Sequence
from node.types.units import Millis


def block(number: int, first: int, count: int) -> DurableBlock:
    time = Millis(number)
    return DurableBlock(
        Block(
            number=number,
            time=time,
            first_sequence=Sequence(first),
            commands=(OpenBlock(number, time),) * count,
            ids=tuple(bytes([place]) * 32 for place in range(count)),
            parent=bytes(32),
            hash=bytes([number]) * 32,
            signature=bytes(65),
            changes=bytes(32),
        ),
        events=((),) * count,
        links=tuple(bytes([100 + place]) * 32 for place in range(count + 1)),
        leaves={bytes(32): b"leaf"},
    )


def filled(commands_max: int) -> History:
    """Return a history of blocks 5 … 9 with 1 … 5 commands, from sequence 11 on."""
    history, first = History(commands_max), 11
    for number, count in enumerate((1, 2, 3, 4, 5), start=5):
        history.add(block(number, first, count))
        first += count
    return history


def test_every_sequence_finds_its_receipt() -> None:
    history = filled(100)
    for sequence, (number, index) in {
        11: (5, 0), 12: (6, 0), 13: (6, 1), 16: (7, 2), 17: (8, 0), 25: (9, 4)
    }.items():  # fmt: skip
        receipt = history.receipt(sequence)
        assert (receipt.number, receipt.sequence) == (number, sequence)
        assert receipt.action == bytes([index]) * 32
        assert receipt.link == bytes([100 + index]) * 32
        assert receipt.following is not None
        assert len(receipt.following) == receipt.count - index - 1


@pytest.mark.parametrize("sequence", [0, 10, 26, 2**64])
def test_what_is_not_there_is_not_found(sequence: int) -> None:
    with pytest.raises(NotFound) as missing:
        filled(100).receipt(sequence)
    assert missing.value.oldest == 11


def test_the_oldest_blocks_are_let_go() -> None:
    history = filled(9)
    assert len(history) == 2
    assert history.receipt(17).number == 8
    with pytest.raises(NotFound) as missing:
        history.receipt(16)
    assert missing.value.oldest == 17
    with pytest.raises(NotFound) as gone:
        history.block(7)
    assert gone.value.oldest == 8


def test_the_newest_block_is_kept_however_large() -> None:
    history = filled(1)
    assert len(history) == 1
    assert history.newest is not None
    assert history.newest.block.number == 9


def test_an_empty_history_finds_nothing() -> None:
    history = History(10)
    assert history.newest is None
    with pytest.raises(NotFound):
        history.receipt(1)
    with pytest.raises(NotFound):
        history.block(1)


def test_only_what_a_receipt_needs_is_kept() -> None:
    kept = filled(100).block(9)
    assert (kept.events, kept.leaves) == ((), {})
