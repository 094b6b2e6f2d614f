"""The EIP-712 digest of what is signed: actions and logins by accounts, prices by reporters.

    digest = keccak256(0x1901 || domainSeparator || hashStruct(message))

(https://eips.ethereum.org/EIPS/eip-712). Everything that does not depend on the message is
computed once: type hashes, the domain separator, the hashes of market symbols, of the words for
side, order type and the like, and of an empty list. What is left for an action is one hash for each
item, one for each list that is not empty, and two.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final, assert_never

from node.codec.action_types import (
    DOMAIN_NAME,
    DOMAIN_VERSION,
    ORDER_TYPE_NAMES,
    SELF_TRADE_NAMES,
    SIDE_NAMES,
    STRUCTS,
    TRIGGER_NAMES,
    encode_type,
)
from node.types.blocks import Domain
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    NewOrder,
    PlaceOrders,
    SetSwitch,
    SignedAction,
    Withdraw,
)
from node.types.errors import UnknownMarket
from node.types.hashing import keccak256
from node.types.ids import Address, MarketId
from node.types.rules import Rules
from node.types.units import Millis, Ticks

_WORDS: Final = {
    "address": "12x20s",
    "bool": "31x?",
    "uint64": "24xQ",
    # Strings and arrays stand for their hash; wide integers are brought to 32 bytes beforehand.
    "string": "32s",
    "Amend[]": "32s",
    "Cancel[]": "32s",
    "Order[]": "32s",
    "uint64[]": "32s",
    "uint128": "32s",
    "int128": "32s",
    "uint256": "32s",
    "bytes32": "32s",
}

_NOTHING: Final = keccak256(b"")
_SIDES: Final = tuple(keccak256(name.encode()) for name in SIDE_NAMES)
_ORDER_TYPES: Final = tuple(keccak256(name.encode()) for name in ORDER_TYPE_NAMES)
_SELF_TRADES: Final = tuple(keccak256(name.encode()) for name in SELF_TRADE_NAMES)
_TRIGGERS: Final = tuple(keccak256(name.encode()) for name in TRIGGER_NAMES)


class _StructType:
    """One EIP-712 struct: its type hash, and its fields as one fixed layout of 32-byte words."""

    __slots__ = ("pack", "type_hash")

    def __init__(self, name: str) -> None:
        words = "".join(_WORDS[kind] for _, kind in STRUCTS[name])
        self.type_hash = keccak256(encode_type(name).encode())
        self.pack = Struct(">32s" + words).pack

    def hash(self, *values: object) -> bytes:
        return keccak256(self.pack(self.type_hash, *values))


_DOMAIN: Final = _StructType("EIP712Domain")
_ORDER: Final = _StructType("Order")
_AMEND: Final = _StructType("Amend")
_CANCEL: Final = _StructType("Cancel")
_PLACE_ORDERS: Final = _StructType("PlaceOrders")
_CANCEL_ALL: Final = _StructType("CancelAll")
_ADJUST_MARGIN: Final = _StructType("AdjustMargin")
_WITHDRAW: Final = _StructType("Withdraw")
_APPROVE_AGENT: Final = _StructType("ApproveAgent")
_SET_SWITCH: Final = _StructType("SetSwitch")
_PRICES: Final = _StructType("Prices")
_LOGIN: Final = _StructType("Login")

# The two hot ones, without an attribute look-up for each item.
_pack_order, _order_type_hash = _ORDER.pack, _ORDER.type_hash
_pack_cancel, _cancel_type_hash = _CANCEL.pack, _CANCEL.type_hash


def domain_separator(domain: Domain) -> bytes:
    """Return the hash that ties a signature to one chain and one rollup contract."""
    return _DOMAIN.hash(
        keccak256(DOMAIN_NAME.encode()),
        keccak256(DOMAIN_VERSION.encode()),
        _wide(domain.chain_id),
        domain.rollup,
    )


class Signing:
    """Digests under one domain and one set of markets. Immutable; build it once.

    All values must be within the protocol's ranges (``node.codec.ranges``).
    """

    __slots__ = ("_market_hashes", "_prefix")

    def __init__(self, domain: Domain, rules: Rules) -> None:
        self._prefix = b"\x19\x01" + domain_separator(domain)
        # Place 0 is "every market": the empty string, which only a cancel-all may name.
        self._market_hashes = (
            b"",
            *(keccak256(market.symbol.encode()) for market in rules.markets),
        )

    def digest(self, action: SignedAction) -> bytes:
        """Return the 32 bytes that the signer of ``action`` signs: also the action's id.

        ``signer`` and ``signature`` do not enter it. Raises ``UnknownMarket``.
        """
        return keccak256(self._prefix + self._struct_hash(action))

    def report_digest(self, time: Millis, prices: Sequence[Ticks]) -> bytes:
        """Return what a reporter signs: one price for each market, in ticks, at ``time``."""
        words = b"".join([price.to_bytes(32) for price in prices])
        return keccak256(self._prefix + _PRICES.hash(time, keccak256(words)))

    def login_digest(self, account: Address, challenge: bytes) -> bytes:
        """Return what is signed to read the feed of ``account``: the server's own 32 bytes."""
        return keccak256(self._prefix + _LOGIN.hash(account, challenge))

    def _struct_hash(self, action: SignedAction) -> bytes:
        head = (action.account, action.nonce, action.expires)
        match action:
            case PlaceOrders():
                return self._place_hash(action)
            case CancelAll():
                market = self._market_hash(action.market) if action.market else _NOTHING
                return _CANCEL_ALL.hash(*head, market)
            case AdjustMargin():
                amount = _wide(action.amount)
                return _ADJUST_MARGIN.hash(*head, self._market_hash(action.market), amount)
            case Withdraw():
                return _WITHDRAW.hash(*head, _wide(action.amount))
            case ApproveAgent():
                return _APPROVE_AGENT.hash(*head, action.agent, action.until)
            case SetSwitch():
                return _SET_SWITCH.hash(*head, action.cancel_at, action.on_disconnect)
            case _:
                assert_never(action)

    def _place_hash(self, action: PlaceOrders) -> bytes:
        cancels = amends = orders = _NOTHING
        # Most actions leave two of the three lists empty.
        if action.cancels:
            cancels = keccak256(b"".join([_cancel_hash(item) for item in action.cancels]))
        if action.amends:
            amends = keccak256(b"".join([self._amend_hash(item) for item in action.amends]))
        if action.orders:
            orders = keccak256(b"".join([self._order_hash(item) for item in action.orders]))
        return _PLACE_ORDERS.hash(
            action.account,
            action.nonce,
            action.expires,
            cancels,
            amends,
            orders,
            action.max_fee,
        )

    def _order_hash(self, order: NewOrder) -> bytes:
        return keccak256(
            _pack_order(
                _order_type_hash,
                self._market_hash(order.market),
                _SIDES[order.side],
                _ORDER_TYPES[order.type],
                order.price,
                order.size,
                order.reduce_only,
                order.client_id,
                _SELF_TRADES[order.self_trade],
                order.good_till,
                _TRIGGERS[order.trigger],
                order.trigger_price,
                order.group,
            )
        )

    def _amend_hash(self, amend: AmendOrder) -> bytes:
        return _AMEND.hash(
            self._market_hash(amend.market),
            amend.order_id,
            amend.client_id,
            amend.price,
            amend.size,
            amend.trigger_price,
            amend.good_till,
        )

    def _market_hash(self, market: MarketId) -> bytes:
        if 1 <= market < len(self._market_hashes):
            return self._market_hashes[market]
        raise UnknownMarket(market=market)


def _cancel_hash(cancel: CancelOrder) -> bytes:
    return keccak256(_pack_cancel(_cancel_type_hash, cancel.order_id, cancel.client_id))


def _wide(value: int) -> bytes:
    """Return ``value`` as one 32-byte word, in two's complement."""
    return value.to_bytes(32, signed=value < 0)
