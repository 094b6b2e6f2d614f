"""What an action claims to be, before anyone has checked its signature.

Checking a signature is the dearest step of admission, so what reduces risk must be let past what
does not even earlier than in the lanes. What an action *asks for* stands in its body, and the body
decides its lane: a claim cannot be false about that. It can be false about who asks, and whoever
brings such claims loses the privilege (see ``node.adapters.admission_pool``).
"""

from typing import Literal

import msgspec


class _Order(msgspec.Struct, frozen=True, gc=False):
    reduce_only: bool = False


class _Amend(msgspec.Struct, frozen=True, gc=False):
    """Only the book knows whether an amend adds risk, so none claims that it does not."""


class _Claim(msgspec.Struct, frozen=True, gc=False):
    type: Literal[
        "place_orders", "cancel_all", "adjust_margin", "withdraw", "approve_agent", "set_switch"
    ]
    orders: tuple[_Order, ...] = ()
    amends: tuple[_Amend, ...] = ()
    amount: str = "-"


_decode = msgspec.json.Decoder(_Claim).decode


def claims_to_reduce(raw: bytes) -> bool:
    """Return whether the JSON body ``raw`` belongs into the lane of what reduces risk.

    True for exactly those bodies whose action ``node.types.lanes.lane_of`` puts there, as far as
    they can be read; a body that cannot be read claims nothing.
    """
    try:
        claim = _decode(raw)
    except (ValueError, RecursionError):
        return False
    if claim.type == "place_orders":
        return not claim.amends and all(order.reduce_only for order in claim.orders)
    if claim.type == "adjust_margin":
        return not claim.amount.startswith("-") and claim.amount.strip("0.") != ""
    return claim.type in ("cancel_all", "set_switch")
