"""The client ids that an account has given to orders: each is good once, the last ones at least.

A client that does not know what became of its order signs it anew, perhaps after a restart of its
own, and the order may have come to its end meanwhile: one that only takes always has. Were its id
free again, the second order would be executed beside the first. So an account remembers the last
``Limits.client_ids_kept`` of its ids, the order of each with it, past the end of the orders.

What is kept is what stands in the account's leaf: eight bytes of client id and eight of order id
for each, the oldest first. A hundred thousand accounts hold one string each, not as many tables.
"""

from struct import Struct, unpack

from node.types.ids import ClientOrderId, OrderId

_PAIR = Struct(">QQ")


def order_named(used: bytes, client_id: ClientOrderId) -> OrderId | None:
    """Return the order that was given ``client_id``, if that is among those ``used``."""
    # Not by bytes.find: two neighbours can look like a third, and whoever chooses his ids for it
    # makes each of them do so. So it takes the same for all names: 6 us at 128 ids.
    numbers = unpack(f">{len(used) // 8}Q", used)
    names = numbers[::2]
    return OrderId(numbers[2 * names.index(client_id) + 1]) if client_id in names else None


def with_another(used: bytes, client_id: ClientOrderId, order_id: OrderId, kept: int) -> bytes:
    """Return ``used`` with one more id; of more than ``kept`` the oldest is forgotten."""
    return (used + _PAIR.pack(client_id, order_id))[-kept * _PAIR.size :]


def pairs(used: bytes) -> list[tuple[int, int]]:
    """Return each client id with its order, the oldest first."""
    return list(_PAIR.iter_unpack(used))
