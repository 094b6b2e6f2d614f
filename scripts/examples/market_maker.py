"""Quotes both sides around the mark, leans against its inventory, and cancels its orders on exit.

    plimsoll run --embedded --data out/maker &
    scripts/replay --rpc http://127.0.0.1:8545 --flow configs/flows/calm.toml --loop &  # others
    plimsoll deposit 10000 --key dev:1 --faucet
    python scripts/examples/market_maker.py --key dev:1 --seconds 30

Each round is one signed action: the old quotes are cancelled and the new ones placed at once. The
dead man's switch is kept set meanwhile: whatever happens to this program, its quotes end. It
is the whole account's, so nothing else should trade there.
"""

import argparse
import asyncio
import time
from decimal import Decimal
from typing import Any

from node.app.cli.arguments import read_market, read_units
from node.app.cli.options import DEFAULT_NODE, pinned_to, read_key
from node.client.marks import MarkTable, follow_marks
from node.client.session import connect
from node.client.switch import armed
from node.client.trader import Trader
from node.client.valuation import lots_of
from node.types.commands import CancelOrder, NewOrder, OrderType, Side
from node.types.errors import CommandRejected, Unavailable
from node.types.ids import MarketId, OrderId, hex_from_address
from node.types.rules import MarketRules
from node.types.units import Lots, Ticks

ROUND_S = 0.5
SWITCH_S = 15.0
QUOTE_LIVES_MS = 1_000
"""A quote that arrives later than this is void: it was made for a mark of long ago."""


def quotes(mark: int, held: int, size: int, most: int, half: Decimal, skew: Decimal) -> list[Any]:
    """Return (side, price) to quote: around the mark, shifted against what is held, in ticks.

    ``held`` and ``most`` are in lots; a side that would pass ``most`` is not quoted.
    """
    centre = Decimal(mark) * (1 - skew * held / most)
    sides = []
    if held + size <= most:
        sides.append((Side.BUY, Ticks(int(centre * (1 - half)))))
    if held - size >= -most:
        sides.append((Side.SELL, Ticks(int(centre * (1 + half)) + 1)))
    return sides


class Maker:
    """One market's quotes."""

    def __init__(
        self, trader: Trader, marks: MarkTable, market: MarketId, rules: MarketRules, size: Lots
    ) -> None:
        self.rounds = 0
        self._trader = trader
        self._marks = marks
        self._market = market
        self._rules = rules
        self._size = size

    async def run(self, seconds: float, half: Decimal, skew: Decimal) -> None:
        """Quote until the time is over or the task is cancelled; leave no order behind."""
        ends = time.monotonic() + seconds
        # It cancels its orders in the end, and lets the exchange do so if this cannot any more.
        async with armed(self._trader, SWITCH_S):
            while time.monotonic() < ends:
                await self.quote(half, skew)
                await asyncio.sleep(ROUND_S)

    async def quote(self, half: Decimal, skew: Decimal) -> None:
        """Replace the quotes, where there is a mark and the node takes them."""
        mark = self._marks.prices.get(self._rules.symbol)
        if mark is None:
            print("waiting for a mark")
            return
        try:
            shown = await self.account()
            held, old = self._standing(shown)
            new = tuple(
                NewOrder(self._market, side, OrderType.POST_ONLY, price, self._size)
                for side, price in quotes(mark, held, self._size, 10 * self._size, half, skew)
            )
            result = await self._trader.place(
                new, old, deadline_ms=500, expires_in_ms=QUOTE_LIVES_MS
            )
        except (CommandRejected, Unavailable) as refusal:
            # Too late, too busy, away, or the mark too old: the next round begins anew.
            print(f"not quoted: {refusal}")
            return
        self.rounds += 1
        resting = sum(item.get("status") == "resting" for item in result["results"])
        print(f"mark {mark} holding {held}: {resting} quotes rest, {len(old)} were replaced")

    def _standing(self, shown: dict[str, Any]) -> tuple[int, tuple[CancelOrder, ...]]:
        """Return the lots that are held in the market, and what cancels the quotes there."""
        symbol = self._rules.symbol
        held = sum(
            lots_of(position["size"], self._rules)
            for position in shown["positions"]
            if position["market"] == symbol
        )
        return held, tuple(
            CancelOrder(OrderId(order["order_id"]))
            for order in shown["orders"]
            if order["market"] == symbol
        )

    async def account(self) -> dict[str, Any]:
        """Return the account as the node shows it."""
        address = hex_from_address(self._trader.wallet.account)
        return await self._trader.session.get(f"/account/{address}")


async def main(asked: argparse.Namespace) -> None:
    """Connect, quote, and tell what is left."""
    async with connect(asked.node, pinned=pinned_to(asked.rollup)) as session:
        market, rules = read_market(asked.market, session.rules)
        size = Lots(read_units("size", asked.size, rules.lot_decimals))
        trader = await Trader.open(session, read_key(asked.key))
        maker = Maker(trader, await follow_marks(session), market, rules, size)
        half, skew = (Decimal(bp) / 10_000 for bp in (asked.half_spread_bp, asked.skew_bp))
        await maker.run(asked.seconds, half, skew)
        shown = await maker.account()
        print(f"{maker.rounds} rounds; free {shown['free']}, positions {len(shown['positions'])}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--node", default=DEFAULT_NODE)
    parser.add_argument("--rollup", help="the exchange's contract, where it is known")
    parser.add_argument("--key", default="dev:1", help="a file, env:NAME or dev:N")
    parser.add_argument("--market", default="BTC-PERP")
    parser.add_argument("--size", default="0.01")
    parser.add_argument("--half-spread-bp", default="5")
    parser.add_argument("--skew-bp", default="10", help="shift of both quotes at the full position")
    parser.add_argument("--seconds", type=float, default=60.0)
    asyncio.run(main(parser.parse_args()))
