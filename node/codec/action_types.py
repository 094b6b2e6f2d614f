"""What a wallet shows: the EIP-712 struct types of every action, as one table.

The hashes that the node computes (``eip712``) and the JSON that a wallet signs (``typed_data``)
are both made from this table, so they cannot come apart. Fields keep the order of the table.
"""

from typing import Final

from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    PlaceOrders,
    SetSwitch,
    SignedAction,
    Withdraw,
)

DOMAIN_NAME: Final = "Plimsoll"
DOMAIN_VERSION: Final = "1"

SIDE_NAMES: Final = ("buy", "sell")
"""The name of each ``Side``, by its value."""

ORDER_TYPE_NAMES: Final = ("gtc", "ioc", "fok", "post_only", "market", "post_only_slide")
"""The name of each ``OrderType``, by its value."""

SELF_TRADE_NAMES: Final = ("cancel_maker", "cancel_taker", "cancel_both", "decrement")
"""The name of each ``SelfTrade``, by its value."""

TRIGGER_NAMES: Final = ("none", "stop", "take_profit")
"""The name of each ``Trigger``, by its value."""

Fields = tuple[tuple[str, str], ...]

_HEAD: Final[Fields] = (("account", "address"), ("nonce", "uint64"), ("expires", "uint64"))

STRUCTS: Final[dict[str, Fields]] = {
    "EIP712Domain": (
        ("name", "string"),
        ("version", "string"),
        ("chainId", "uint256"),
        ("verifyingContract", "address"),
    ),
    "Order": (
        ("market", "string"),
        ("side", "string"),
        ("orderType", "string"),
        ("priceTicks", "uint64"),
        ("sizeLots", "uint64"),
        ("reduceOnly", "bool"),
        ("clientId", "uint64"),
        ("selfTrade", "string"),
        ("goodTill", "uint64"),
        ("trigger", "string"),
        ("triggerPrice", "uint64"),
        ("group", "uint64"),
    ),
    "Amend": (
        ("market", "string"),
        ("orderId", "uint64"),
        ("clientId", "uint64"),
        ("priceTicks", "uint64"),
        ("sizeLots", "uint64"),
        ("triggerPrice", "uint64"),
        ("goodTill", "uint64"),
    ),
    "Cancel": (("orderId", "uint64"), ("clientId", "uint64")),
    "PlaceOrders": (
        *_HEAD,
        ("cancels", "Cancel[]"),
        ("amends", "Amend[]"),
        ("orders", "Order[]"),
        ("maxFee", "uint64"),
    ),
    "CancelAll": (*_HEAD, ("market", "string")),
    "AdjustMargin": (*_HEAD, ("market", "string"), ("amount", "int128")),
    "Withdraw": (*_HEAD, ("amount", "uint128")),
    "ApproveAgent": (*_HEAD, ("agent", "address"), ("until", "uint64")),
    "SetSwitch": (*_HEAD, ("cancelAt", "uint64"), ("onDisconnect", "bool")),
    "Prices": (("time", "uint64"), ("priceTicks", "uint64[]")),
    "Login": (("account", "address"), ("challenge", "bytes32")),
}
"""Fields of each struct: (name, EIP-712 type). ``expires``, ``until``, ``time``, ``goodTill`` and
``cancelAt`` are milliseconds, ``triggerPrice`` is ticks."""

PRIMARY_TYPES: Final[dict[type[SignedAction], str]] = {
    PlaceOrders: "PlaceOrders",
    CancelAll: "CancelAll",
    AdjustMargin: "AdjustMargin",
    Withdraw: "Withdraw",
    ApproveAgent: "ApproveAgent",
    SetSwitch: "SetSwitch",
}


def referenced_structs(name: str) -> tuple[str, ...]:
    """Return the structs that ``name`` holds, itself first, the others sorted (as EIP-712 asks)."""
    held = {kind.removesuffix("[]") for _, kind in STRUCTS[name]} & STRUCTS.keys()
    return (name, *sorted(held))


def encode_type(name: str) -> str:
    """Return EIP-712's ``encodeType``: ``Name(type field,…)``, then the structs it refers to."""
    return "".join(
        f"{struct}({','.join(f'{kind} {field}' for field, kind in STRUCTS[struct])})"
        for struct in referenced_structs(name)
    )
