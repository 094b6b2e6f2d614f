"""Watches what anybody may see of liquidations: marks, trades, the risk tiers, and named accounts.

    python scripts/examples/liquidation_watcher.py --account 0x7099… --seconds 60

Which accounts there are is not told by any feed; whoever rebuilds the exchange from L1 (plimsoll
verify) knows them all. Of those that are named here, each position is valued at each mark with the
public rules, without a word of the node.
"""

import argparse
import asyncio
import time
from collections import Counter
from typing import Any

from node.app.cli.arguments import read_address
from node.app.cli.options import DEFAULT_NODE
from node.client.marks import MarkTable, follow_marks
from node.client.session import Session, connect
from node.client.valuation import Valued, market_called, value
from node.types.errors import Unavailable
from node.types.ids import Address, hex_from_address
from node.types.units import decimal_from_units

LOOK_S = 1.0


class Watcher:
    """What was seen so far."""

    def __init__(self, session: Session, marks: MarkTable, near: float) -> None:
        self.trades: Counter[str] = Counter()
        self.liquidations = 0
        self.warned = 0
        self._tiers: dict[str, int] = {}
        self._session = session
        self._marks = marks
        self._near = near

    async def follow(self) -> None:
        """Hear the trades of every market, and the load line with the checks of each tier."""
        for market in self._session.rules.markets:
            await self._session.subscribe("trades", self._trades, market=market.symbol)
        await self._session.subscribe("load", self._load)

    async def run(self, accounts: list[Address], seconds: float) -> None:
        """Look until the time is over; while the node is away, say so."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                await self.look(accounts)
            except Unavailable as away:
                print(f"not seen: {away}")
            await asyncio.sleep(LOOK_S)

    async def look(self, accounts: list[Address]) -> None:
        """Count what has been liquidated, and warn of what is near."""
        stats = await self._session.get("/stats")
        told = stats["liquidations"]
        # A node that was started again counts from its start.
        more = told - self.liquidations if told >= self.liquidations else told
        if more:
            print(f"{more} more liquidations, {stats['deleveragings']} deleveragings in all")
        self.liquidations = told
        for account in accounts:
            shown = await self._session.get(f"/account/{hex_from_address(account)}")
            for told in shown["positions"]:
                mark = self._marks.prices.get(told["market"])
                if mark is not None:
                    index = self._marks.indices[told["market"]]
                    self._judge(account, value(told, self._session.rules, mark, index))

    def _judge(self, account: Address, held: Valued) -> None:
        if held.margin_ratio < self._near:
            return
        self.warned += 1
        decimals = market_called(held.market, self._session.rules).tick_decimals
        price = "–"
        away = ""
        if held.liquidation is not None:
            price = decimal_from_units(held.liquidation, decimals)
            away = f", {abs(held.liquidation - held.mark) / held.mark:.2%} from the mark"
        side = "long" if held.long else "short"
        print(
            f"{hex_from_address(account)} {held.market} {side}: maintenance is"
            f" {held.margin_ratio:.0%} of equity; liquidated at {price}{away}"
        )

    def _trades(self, message: dict[str, Any]) -> None:
        self.trades[message["market"]] += len(message["trades"])

    def _load(self, message: dict[str, Any]) -> None:
        risk = message.get("risk")
        if risk is None or risk["tiers"] == self._tiers:
            return
        self._tiers = risk["tiers"]
        checks = ", ".join(f"{tier} {count:,}" for tier, count in self._tiers.items())
        print(f"checks of positions by tier: {checks}; found too late: {risk['late']}")


async def main(asked: argparse.Namespace) -> None:
    """Connect, watch, and sum up."""
    accounts = [read_address("account", text) for text in asked.account]
    async with connect(asked.node) as session:
        watcher = Watcher(session, await follow_marks(session), asked.near)
        await watcher.follow()
        await watcher.run(accounts, asked.seconds)
        print(
            f"{watcher.trades.total()} trades, {watcher.liquidations} liquidations since the node's"
            f" start, {watcher.warned} warnings"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--node", default=DEFAULT_NODE)
    parser.add_argument("--account", action="append", default=[], help="repeatable")
    parser.add_argument("--near", type=float, default=0.8, help="maintenance / equity to warn at")
    parser.add_argument("--seconds", type=float, default=60.0)
    asyncio.run(main(parser.parse_args()))
