"""The cursors of L1: what they say of a sequence, and which way they may go."""

import pytest

from node.publisher.finality import Cursors
from node.types.errors import TransitionImpossible
from node.types.ids import Sequence


def cursors(posted: int, safe: int, final: int, sealed: int = 11) -> Cursors:
    return Cursors(Sequence(posted), Sequence(safe), Sequence(final), Sequence(sealed))


@pytest.mark.parametrize(
    ("sequence", "stage"),
    [
        (1, "final"),
        (3, "final"),
        (4, "safe"),
        (5, "safe"),
        (6, "posted"),
        (9, "posted"),
        (10, "sealed"),
        (11, "sealed"),
        (12, "accepted"),
    ],
)
def test_a_sequence_is_as_sure_as_the_furthest_cursor_past_it(sequence: int, stage: str) -> None:
    assert cursors(9, 5, 3).stage(sequence) == stage


def test_a_reorg_takes_back_what_is_not_final() -> None:
    assert cursors(9, 5, 3).moved(cursors(3, 3, 3)) == cursors(3, 3, 3)


@pytest.mark.parametrize(
    "after",
    [
        cursors(9, 5, 2),
        cursors(4, 5, 3),
        cursors(9, 4, 5),
        cursors(9, 5, 3, 8),
        cursors(9, 5, 3, 10),
    ],
)
def test_nothing_takes_back_what_is_final_or_sealed(after: Cursors) -> None:
    with pytest.raises(TransitionImpossible):
        cursors(9, 5, 3).moved(after)
