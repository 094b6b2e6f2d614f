"""Who is connected: an account is, while at least one connection has logged in for it."""

from collections.abc import Callable

from node.types.ids import Address


class Presence:
    """Counts the connections of each account, and tells of the first and of the last one."""

    __slots__ = ("_connections", "_ended", "_first")

    def __init__(self, first: Callable[[Address], None], ended: Callable[[Address], None]) -> None:
        """``first`` is told of an account's first connection, ``ended`` of the end of its last."""
        self._connections: dict[Address, int] = {}
        self._first = first
        self._ended = ended

    def __len__(self) -> int:
        """Return how many accounts are connected."""
        return len(self._connections)

    def enter(self, account: Address) -> None:
        """Count one connection more."""
        before = self._connections.get(account, 0)
        self._connections[account] = before + 1
        if not before:
            self._first(account)

    def leave(self, account: Address) -> None:
        """Count one less; it must have entered."""
        left = self._connections[account] - 1
        if left:
            self._connections[account] = left
        else:
            del self._connections[account]
            self._ended(account)
