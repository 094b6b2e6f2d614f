"""What settlement waits for, named: the first of the causes that holds. Pure."""

from typing import Final

from node.types.hold_up import HoldUp

HELD_BACK: Final = {
    "fees": HoldUp.GAS_PRICE,
    "funds": HoldUp.UNFUNDED,
    "inbox": HoldUp.REORG,
}
"""The tracker's reasons for sending no more. A batch whose deposits L1 does not have any more waits
for L1 to find its way back, and one whose deposits may be others waits until they are compared."""


def hold_up_of(
    *, away: bool, held_back: str, unposted: int, returned: int, pending: int, in_flight_max: int
) -> HoldUp | None:
    """Return why ``unposted`` batches are in no L1 block, None where there are none.

    The further down, the more everything else must be in order: an L1 that does not answer says
    nothing of its prices, and a pool is only full where it takes what it is sent. ``returned``
    counts the batches that a reorg gave back, ``pending`` those that wait in L1's pool.
    """
    if away:
        return HoldUp.OUTAGE
    if not unposted:
        return None
    if held_back:
        return HELD_BACK[held_back]
    if returned:
        return HoldUp.REORG
    if unposted > pending >= in_flight_max:
        return HoldUp.IN_FLIGHT
    return HoldUp.BYTES
