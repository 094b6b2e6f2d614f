"""How fast L1 goes is read off the heads that were seen."""

from node.ports.chain import L1Block
from node.settlement.pace import HEADS, ChainPace


def head(number: int, time_s: int, gas_limit: int = 30_000_000) -> L1Block:
    return L1Block(number, b"", time_s, 0, gas_limit)


def test_two_heads_tell_the_time_between_blocks() -> None:
    pace = ChainPace()
    assert pace.block_ms is None
    pace.note(head(7, 100))
    pace.note(head(7, 100))
    assert pace.block_ms is None
    pace.note(head(10, 137))
    assert pace.block_ms == 12_333
    assert pace.block_gas == 30_000_000


def test_only_the_last_heads_count() -> None:
    pace = ChainPace()
    pace.note(head(0, 0))
    for number in range(1, HEADS + 1):
        pace.note(head(number, 1_000 + 2 * number))
    assert pace.block_ms == 2_000


def test_a_reorg_to_a_lower_head_starts_anew() -> None:
    pace = ChainPace()
    pace.note(head(10, 100))
    pace.note(head(11, 112))
    pace.note(head(9, 90))
    assert pace.block_ms is None
    pace.note(head(10, 93))
    assert pace.block_ms == 3_000
