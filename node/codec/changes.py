"""The digest of what a block changed in the state.

Two executions that agree on it, block after block, hold the same leaves and so the same root; it is
far cheaper than a root, and it names the first block at which they part.
"""

from collections.abc import Mapping
from hashlib import blake2b

_GONE = b"\xff\xff\xff\xff"


def changes_digest(changes: Mapping[bytes, bytes | None]) -> bytes:
    """Return the 32-byte BLAKE2b digest of ``changes`` (state-tree key -> leaf, None: gone).

    Over the changes in ascending order of their keys: ``key || length || value``, where the key has
    32 bytes and the length 4 (big-endian), or ``ff ff ff ff`` and no value where the leaf is gone.
    Keys have one width and lengths stand before values, so no two sets of changes read alike.
    """
    parts: list[bytes] = []
    for key in sorted(changes):
        value = changes[key]
        assert len(key) == 32
        if value is None:
            parts += (key, _GONE)
        else:
            parts += (key, len(value).to_bytes(4, "big"), value)
    return blake2b(b"".join(parts), digest_size=32).digest()
