"""Holds the side that funding pays, while the book stands away from the mark; ends flat.

    python scripts/examples/funding_trader.py --key dev:2 --seconds 120

Funding moves by the mean premium of the book over the mark: where the book stands above, longs pay
shorts. The mean is taken here from what anybody sees, so that it is known before it is settled.
Written for the CCXT adapter; a trader of another exchange finds the same methods.
"""

import argparse
import asyncio
import time
from collections import deque
from typing import Any

from node.app.cli.options import DEFAULT_NODE, read_key
from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import BaseError, NetworkError

SAMPLE_S = 0.5


def premium_of(ticker: dict[str, Any]) -> float | None:
    """Return how far the middle of the book stands above the mark, as a share of the mark."""
    bid, ask, mark = ticker["bid"], ticker["ask"], ticker["markPrice"]
    if bid is None or ask is None or mark is None:
        return None
    return float((bid + ask) / 2 / mark - 1)


def target_of(mean: float, threshold: float, size: float) -> float:
    """Return the position to hold: against the premium, and none where it is too small."""
    if mean > threshold:
        return -size
    return size if mean < -threshold else 0.0


class FundingTrader:
    """One market's premium, and the position that is held against it."""

    def __init__(self, exchange: PlimsollExchange, symbol: str, size: float) -> None:
        self.orders = 0
        self._exchange = exchange
        self._symbol = symbol
        self._size = size
        interval_ms = exchange.market(symbol)["info"]["funding_interval_ms"]
        self._premiums: deque[float] = deque(maxlen=max(1, int(interval_ms / 1_000 / SAMPLE_S)))

    async def run(self, seconds: float, threshold: float) -> None:
        """Trade until the time is over or the task is cancelled; then close what is held."""
        ends = time.monotonic() + seconds
        try:
            while time.monotonic() < ends:
                await self._sample(threshold)
                await asyncio.sleep(SAMPLE_S)
        finally:
            await self._hold(0.0)

    async def _sample(self, threshold: float) -> None:
        try:
            premium = premium_of(await self._exchange.fetch_ticker(self._symbol))
        except NetworkError as error:
            print(f"no ticker: {error}")
            return
        if premium is None:
            print("waiting for a mark and a book of two sides")
            return
        self._premiums.append(premium)
        mean = sum(self._premiums) / len(self._premiums)
        print(f"premium {premium:+.4%}, its mean {mean:+.4%}")
        await self._hold(target_of(mean, threshold, self._size))

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
    config = {"url": asked.node, "privateKey": read_key(asked.key).hex()}
    async with PlimsollExchange(config) as exchange:
        trader = FundingTrader(exchange, asked.symbol, asked.size)
        await trader.run(asked.seconds, asked.threshold_bp / 10_000)
        balance = (await exchange.fetch_balance())["USDC"]["total"]
        print(f"{trader.orders} orders; holding {await trader.position():g}, balance {balance}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--node", default=DEFAULT_NODE)
    parser.add_argument("--key", default="dev:2", help="a file, env:NAME or dev:N")
    parser.add_argument("--symbol", default="BTC/USDC:USDC")
    parser.add_argument("--size", type=float, default=0.01)
    parser.add_argument("--threshold-bp", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=60.0)
    asyncio.run(main(parser.parse_args()))
