"""Signed actions in WebSocket frames, made before anything is timed.

The mix is that of the transition's tape without its cancels: of a hundred orders fifteen reach
across the book, the others quote. All are GTC, so that none can be refused for coming late. What
rests in the end is cancelled before the next run.
"""

from collections.abc import Iterable, Sequence
from itertools import cycle
from random import Random
from struct import Struct
from typing import Any, Final

import msgspec

from node.client.wallet import Wallet
from node.codec.json_actions import action_to_json
from node.codec.ranges import MONEY_MAX
from node.types.commands import NewOrder, OrderType, Side, SignedAction
from node.types.ids import MarketId
from node.types.rules import Rules
from node.types.units import Lots, Millis, Money, Ticks

BTC: Final = MarketId(1)
MIDDLE: Final = Ticks(600_000)
"""60,000.0 in configs/rules.toml."""

MARKS: Final = (MIDDLE, Ticks(300_000))
TAKER_SHARE: Final = 0.15
REACH_TICKS: Final = 20
DEPTH_TICKS: Final = 100
LOTS_OF_ONE: Final = 100

_TEXT: Final = 0x81
_MASKED: Final = 0x80
_MEDIUM: Final = Struct(">BBHI")
_LONG: Final = Struct(">BBQI")
_NO_MASK: Final = 0
"""A client has to mask what it sends; with this key the bytes stay what they are."""


def order(random: Random) -> NewOrder:
    """Return an order of the mix."""
    side = random.choice((Side.BUY, Side.SELL))
    if random.random() < TAKER_SHARE:
        price = MIDDLE + (REACH_TICKS if side is Side.BUY else -REACH_TICKS)
        size = random.randint(1, 80)
    else:
        away = min(int(random.expovariate(0.15)), DEPTH_TICKS)
        price = MIDDLE + away if side is Side.SELL else MIDDLE - 1 - away
        size = random.randint(1, 100)
    return NewOrder(BTC, side, OrderType.GTC, Ticks(price), Lots(size * LOTS_OF_ONE))


def placements(
    random: Random, wallets: Sequence[Wallet], actions: int, orders: int, expires: Millis
) -> list[SignedAction]:
    """Return ``actions`` actions of ``orders`` orders each; the wallets take turns.

    They pay any fee: at saturation it rises, and who will not pay it is refused, not measured.
    """
    return [
        wallet.place(
            tuple(order(random) for _ in range(orders)), expires=expires, max_fee=Money(MONEY_MAX)
        )
        for wallet, _ in zip(cycle(wallets), range(actions), strict=False)
    ]


def frames(actions: Iterable[SignedAction], rules: Rules) -> list[bytes]:
    """Return the frame of each action; a request's id is its place."""
    return [
        text_frame({"id": place, "method": "action", "params": action_to_json(action, rules)})
        for place, action in enumerate(actions)
    ]


def text_frame(body: dict[str, Any]) -> bytes:
    """Return the frame in which a client sends ``body``, which is longer than 125 bytes."""
    text = msgspec.json.encode(body)
    assert len(text) > 125
    if len(text) < 65_536:
        return _MEDIUM.pack(_TEXT, _MASKED | 126, len(text), _NO_MASK) + text
    return _LONG.pack(_TEXT, _MASKED | 127, len(text), _NO_MASK) + text
