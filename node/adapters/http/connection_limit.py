"""How many connections there may be, in all and of one address, and who makes room for a newcomer.

A connection that nobody talks on costs its client nothing, so whoever opens many could keep
everyone else out. So an idle one gives its place to who comes when there is none left: of the
newcomer's own address, where that has its whole part; of all, where all places are taken. Only
where each of those is at work the newcomer is refused.
"""

from typing import Protocol

from node.types.errors import Overloaded


class Guest(Protocol):
    """A connection that holds a place."""

    def make_room(self) -> None:
        """Hang up: the place is another's already."""
        ...


class _Address:
    """What one address holds; those that idle stand in the order in which they began to."""

    __slots__ = ("held", "idle")

    def __init__(self) -> None:
        self.held = 0
        self.idle: dict[Guest, None] = {}


class ConnectionLimit:
    """At most ``limit`` places, and ``each`` for one address.

    ``name`` says to who is refused which limit it was. ``made_room`` counts who had to go.
    """

    __slots__ = ("_addresses", "_each", "_guests", "_idle", "_limit", "_name", "made_room")

    def __init__(self, name: str, limit: int, each: int) -> None:
        self._name = name
        self._limit = limit
        self._each = each
        self._guests: dict[Guest, str] = {}
        self._addresses: dict[str, _Address] = {}
        self._idle: dict[Guest, None] = {}
        self.made_room = 0

    def __len__(self) -> int:
        """Return how many places are taken."""
        return len(self._guests)

    def enter(self, guest: Guest, address: str) -> None:
        """Give ``guest`` a place; it is at work. Raises ``Overloaded``."""
        assert guest not in self._guests
        known = self._addresses.get(address)
        if known is not None and known.held >= self._each:
            self._make_room(known.idle, f"{self._name}_of_an_address", self._each)
        elif len(self._guests) >= self._limit:
            self._make_room(self._idle, self._name, self._limit)
        self._guests[guest] = address
        self._addresses.setdefault(address, _Address()).held += 1

    def rest(self, guest: Guest) -> None:
        """Note that ``guest`` idles from now on, if it has a place."""
        self.work(guest)  # Its idling begins anew, also if its request was refused before any work.
        address = self._guests.get(guest)
        if address is not None:
            self._idle[guest] = None
            self._addresses[address].idle[guest] = None

    def work(self, guest: Guest) -> None:
        """Note that ``guest`` idles no more."""
        if guest in self._idle:
            del self._idle[guest]
            del self._addresses[self._guests[guest]].idle[guest]

    def leave(self, guest: Guest) -> None:
        """Take the place of ``guest`` back, if it has one."""
        self.work(guest)
        address = self._guests.pop(guest, None)
        if address is not None:
            known = self._addresses[address]
            known.held -= 1
            if not known.held:
                del self._addresses[address]

    def _make_room(self, idle: dict[Guest, None], name: str, limit: int) -> None:
        longest = next(iter(idle), None)
        if longest is None:
            raise Overloaded(queue=name, limit=limit)
        self.leave(longest)
        self.made_room += 1
        longest.make_room()
