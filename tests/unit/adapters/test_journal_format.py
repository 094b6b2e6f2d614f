"""Which record was never wholly written, and which is no longer what was written."""

from io import BytesIO

import pytest

from node.adapters.journal_format import Damaged, frame, records

SECTOR = 512


@pytest.mark.parametrize("before_edge", [1, 2, 3])
def test_the_zeros_of_a_length_at_a_sectors_edge_were_written(before_edge: int) -> None:
    record = bytearray(frame(b"some command" * 10))
    assert not any(record[:before_edge])
    record[-1] ^= 1
    offset = SECTOR - before_edge
    file = BytesIO(b"x" * offset + record)
    file.seek(offset)
    # Taken for torn it would be cut off, and it was promised to someone.
    with pytest.raises(Damaged):
        next(records(file, offset + len(record)))
