"""The state tree as its definition reads: computed from scratch, by splitting the sorted entries.

It knows nothing of the real tree's code, not even its node types, and is as slow as it is plain.
"""

from collections.abc import Mapping

from node.types.hashing import keccak256

Entry = tuple[bytes, bytes]


def naive_root(items: Mapping[bytes, bytes]) -> bytes:
    """Return the root of the tree that holds ``items``."""
    if not items:
        return bytes(32)
    return _hashes(sorted(items.items()))[0]


def naive_hashes(items: Mapping[bytes, bytes]) -> set[bytes]:
    """Return the hashes of all nodes of the tree that holds ``items``."""
    return set(_hashes(sorted(items.items()))) if items else set()


def naive_first(items: Mapping[bytes, bytes], prefix: bytes) -> Entry | None:
    """Return the entry with the least key that starts with ``prefix``."""
    return min((item for item in items.items() if item[0].startswith(prefix)), default=None)


def bit_of(key: bytes, index: int) -> int:
    """Return the bit of ``key`` at ``index``, 0 being the most significant of its first byte."""
    return int(f"{int.from_bytes(key, 'big'):0256b}"[index])


def _hashes(entries: list[Entry]) -> list[bytes]:
    """Return the hashes of the subtree of ``entries`` (sorted, at least one), its top's first."""
    if len(entries) == 1:
        key, value = entries[0]
        return [keccak256(b"\x00" + key + value)]
    least, greatest = entries[0][0], entries[-1][0]
    bit = next(index for index in range(256) if bit_of(least, index) != bit_of(greatest, index))
    left = _hashes([entry for entry in entries if bit_of(entry[0], bit) == 0])
    right = _hashes([entry for entry in entries if bit_of(entry[0], bit) == 1])
    return [keccak256(b"\x01" + bytes([bit]) + left[0] + right[0]), *left, *right]
