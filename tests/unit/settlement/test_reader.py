"""What is read of L1: which of its blocks count as safe, and which as final."""

import pytest

from node.ports.chain import At, L1Block, Tag
from node.settlement.config import SettlementConfig
from node.settlement.reader import standing

HEAD = L1Block(100, b"\x64" * 32, 0, 0)


class Tagged:
    """An L1 that names its safe and its final block; None: it has no such block."""

    def __init__(self, safe: int | None, final: int | None) -> None:
        self._numbers = {Tag.SAFE: safe, Tag.FINALIZED: final}

    async def block(self, at: At) -> L1Block | None:
        assert isinstance(at, Tag)
        number = self._numbers[at]
        return None if number is None else L1Block(number, bytes(32), 0, 0)


@pytest.mark.parametrize(
    ("safe_depth", "final_depth", "told", "expected"),
    [
        (2, 5, (None, None), (98, 95)),
        (None, None, (90, 80), (90, 80)),
        (5, 2, (None, None), (95, 95)),
        (None, 2, (90, None), (90, 90)),
        (5, None, (None, 99), (95, 95)),
        (None, 2, (None, None), (-1, -1)),
        (2, None, (None, None), (98, -1)),
    ],
)
async def test_no_block_is_final_that_is_not_safe(
    safe_depth: int | None,
    final_depth: int | None,
    told: tuple[int | None, int | None],
    expected: tuple[int, int],
) -> None:
    config = SettlementConfig(safe_depth=safe_depth, final_depth=final_depth)
    chain = Tagged(*told)
    assert await standing(chain, HEAD, config) == expected  # type: ignore[arg-type]
