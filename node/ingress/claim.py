"""What an action claims to be, before anyone has checked its signature.

Checking a signature is the dearest step of admission, so what reduces risk must be let past what
does not even earlier than in the lanes, and what a lane would refuse must not come so far. What an
action *asks for* stands in its body, and the body decides its lane: a claim cannot be false about
that. It can be false about who asks, and whoever brings such claims loses the privilege (see
``node.adapters.admission_pool``).
"""

from typing import Final, Literal

import msgspec

from node.types.lanes import Lane

# Names of this module are found several times faster than members of an enum class.
_REDUCING: Final = Lane.REDUCING
_RESTING: Final = Lane.RESTING
_TAKING: Final = Lane.TAKING


class _Order(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    reduce_only: bool = False
    trigger: str = "none"


class _Amend(msgspec.Struct, frozen=True, gc=False):
    """Only the book knows whether an amend adds risk, so none claims that it does not."""


class _Claim(msgspec.Struct, frozen=True, gc=False):
    type: Literal[
        "place_orders", "cancel_all", "adjust_margin", "withdraw", "approve_agent", "set_switch"
    ]
    orders: tuple[_Order, ...] = ()
    amends: tuple[_Amend, ...] = ()
    amount: str = "-"
    until: int = 1


_decode = msgspec.json.Decoder(_Claim).decode


_NEVER_TAKE: Final = ("post_only", "post_only_slide")


def claimed_lane(raw: bytes) -> Lane:
    """Return the lane into which the action in the JSON body ``raw`` belongs.

    That in which ``node.types.lanes.lane_of`` puts it, for every body that can be read. One that
    cannot be claims nothing: it waits with the last.
    """
    try:
        claim = _decode(raw)
    except (ValueError, RecursionError):
        return _TAKING
    if claim.type == "place_orders":
        return _TAKING if claim.amends else _lane_of_orders(claim.orders)
    if claim.type == "adjust_margin":
        tops_up = not claim.amount.startswith("-") and claim.amount.strip("0.") != ""
        return _REDUCING if tops_up else _TAKING
    if claim.type == "approve_agent":
        return _TAKING if claim.until else _REDUCING
    return _REDUCING if claim.type in ("cancel_all", "set_switch") else _TAKING


def _lane_of_orders(orders: tuple[_Order, ...]) -> Lane:
    lane = _REDUCING
    for order in orders:
        if not order.reduce_only:
            if order.type not in _NEVER_TAKE and order.trigger == "none":
                return _TAKING
            lane = _RESTING
    return lane
