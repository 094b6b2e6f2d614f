"""Holds the side that funding pays, while the book stands away from the mark; ends flat.

    python scripts/examples/funding_trader.py --key dev:2 --seconds 120

Funding moves by the mean premium of the book over the mark: where the book stands above, longs pay
shorts. The node tells the mean so far with each mark, before it is settled.
Written for the CCXT adapter; a trader of another exchange finds the same methods.
"""

import argparse
import asyncio
import time

from node.app.cli.options import DEFAULT_NODE, read_key
from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import BaseError, NetworkError

LOOK_S = 0.5


def target_of(mean: float, threshold: float, size: float) -> float:
    """Return the position to hold: against the premium, and none where it is too small."""
    if mean > threshold:
        return -size
    return size if mean < -threshold else 0.0


class FundingTrader:
    """One market's mean premium, and the position that is held against it."""

    def __init__(self, exchange: PlimsollExchange, symbol: str, size: float) -> None:
        self.orders = 0
        self._exchange = exchange
        self._symbol = symbol
        self._size = size

    async def run(self, seconds: float, threshold: float) -> None:
        """Trade until the time is over or the task is cancelled; then close what is held."""
        ends = time.monotonic() + seconds
        try:
            while time.monotonic() < ends:
                await self._look(threshold)
                await asyncio.sleep(LOOK_S)
        finally:
            await self._hold(0.0)

    async def _look(self, threshold: float) -> None:
        try:
            told = await self._exchange.fetch_funding_rate(self._symbol)
        except NetworkError as error:
            print(f"no funding rate: {error}")
            return
        funding = told["info"]["funding"]
        if not funding["samples"]:
            # An interval has just begun: what is held stays.
            print("waiting for a book of two sides at a mark")
            return
        premium = float(funding["premium"])
        print(
            f"mean premium {premium:+.4%}: {told['fundingRate']:+.5%} at {told['fundingDatetime']}"
        )
        await self._hold(target_of(premium, threshold, self._size))

    async def _hold(self, target: float) -> None:
        """Trade the difference to ``target``; what only closes may do nothing else."""
        try:
            held = await self.position()
            difference = target - held
            if abs(difference) < self._exchange.market(self._symbol)["precision"]["amount"] / 2:
                return
            side = "buy" if difference > 0 else "sell"
            closing = {"reduceOnly": True} if abs(target) < abs(held) and target * held >= 0 else {}
            order = await self._exchange.create_order(
                self._symbol, "market", side, abs(difference), None, closing
            )
        except BaseError as error:
            print(f"not traded: {error}")
            return
        self.orders += 1
        print(f"{side} {order['filled']} at {order['average']}, for {target:+g}")

    async def position(self) -> float:
        """Return what is held, with its sign."""
        held = await self._exchange.fetch_position(self._symbol)
        if held is None:
            return 0.0
        return float(held["contracts"]) * (1 if held["side"] == "long" else -1)


async def main(asked: argparse.Namespace) -> None:
    """Connect, trade, and tell how it ended."""
    config = {"url": asked.node, "privateKey": read_key(asked.key).hex(), "rollup": asked.rollup}
    async with PlimsollExchange(config) as exchange:
        trader = FundingTrader(exchange, asked.symbol, asked.size)
        await trader.run(asked.seconds, asked.threshold_bp / 10_000)
        balance = (await exchange.fetch_balance())["USDC"]["total"]
        print(f"{trader.orders} orders; holding {await trader.position():g}, balance {balance}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--node", default=DEFAULT_NODE)
    parser.add_argument("--rollup", help="the exchange's contract, where it is known")
    parser.add_argument("--key", default="dev:2", help="a file, env:NAME or dev:N")
    parser.add_argument("--symbol", default="BTC/USDC:USDC")
    parser.add_argument("--size", type=float, default=0.01)
    parser.add_argument("--threshold-bp", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=60.0)
    asyncio.run(main(parser.parse_args()))
