"""The bundled flow: what each client intends to send, and when. One seed, one flow.

Everything is drawn beforehand from the flow's own price path, never from what the node answers: the
load is open loop, so a node that slows down does not slow its clients, and two runs offer the same.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import accumulate

import msgspec
import numpy as np

from node.simulation.flow.config import KINDS, FlowConfig, Phase
from node.simulation.flow.hawkes import Hawkes
from node.simulation.flow.prices import Prices, drawn_prices
from node.types.commands import CancelOrder, NewOrder, OrderType, Side
from node.types.ids import ClientOrderId, MarketId
from node.types.rules import MarketRules, Rules
from node.types.units import NS_PER_MS, Lots, Money, Ticks

MONEY_ONE = 1_000_000
BUYERS_PER_QUOTE = 12
LIMITS_OPEN = 50
"""Resting orders of a trader; with one more it takes its oldest back, which may have traded."""

_OF_HIGHEST = 0.8
"""Of the highest leverage: fees and stale data take some of the margin."""


class Intent(msgspec.Struct, frozen=True):
    """An action that account ``account`` wants to send at ``time_ns`` after the start.

    ``margin`` (money) is a top-up of the position in ``market``; otherwise cancels and orders.
    """

    time_ns: int
    phase: str
    account: int
    cancels: tuple[CancelOrder, ...] = ()
    orders: tuple[NewOrder, ...] = ()
    market: MarketId = MarketId(0)
    margin: Money = Money(0)

    @property
    def items(self) -> int:
        """Return how many orders and cancels it carries."""
        return len(self.cancels) + len(self.orders)


class Quotes(msgspec.Struct, frozen=True):
    """What the oracle tells at ``time_ns`` after the start: prices in ticks, market by market."""

    time_ns: int
    phase: str
    prices: tuple[Ticks, ...]


class Flow:
    """Draws the intents of a flow in order of time."""

    def __init__(self, config: FlowConfig, rules: Rules, path: Prices | None = None) -> None:
        """``config`` must have passed its check and name a start price for each market.

        Without a ``path`` prices are drawn from the phases of ``config``.
        """
        self._config = config
        self._rules = rules
        self._ends = list(accumulate(phase.seconds for phase in config.phases))
        seeds = np.random.SeedSequence(config.seed).spawn(3)
        self._arrival_random, path_random, self._random = map(np.random.default_rng, seeds)
        self._path = drawn_prices(config, rules, path_random) if path is None else path
        self._next_client_id = [1] * config.accounts
        self._quotes: dict[tuple[int, int], tuple[CancelOrder, ...]] = {}
        self._limits: dict[int, deque[CancelOrder]] = {}

    def phase_at(self, time_s: float) -> Phase:
        """Return the phase that ``time_s`` lies in; the last one goes on for ever."""
        place = bisect_right(self._ends, time_s)
        return self._config.phases[min(place, len(self._config.phases) - 1)]

    def quotes(self) -> Iterator[Quotes]:
        """Yield the oracle's rounds."""
        for index in range(len(self._path)):
            time_ns = index * self._config.oracle_interval_ms * NS_PER_MS
            prices = tuple(Ticks(price) for price in self._path.round(index))
            yield Quotes(time_ns, self.phase_at(time_ns / 1e9).name, prices)

    def turn_back(self) -> None:
        """Let the prices go back the way they came; the next round's clients are drawn anew."""
        self._path = self._path.reversed()

    def opening(self) -> Iterator[Intent]:
        """Yield what stands before the flow begins: quotes, and the leveraged positions.

        The makers quote anew before each handful of buyers, who would else empty the books.
        """
        phase = self._config.phases[0]
        buyers = range(self._config.accounts - self._config.leveraged, self._config.accounts)
        for start in range(0, max(1, len(buyers)), BUYERS_PER_QUOTE):
            for maker in range(self._config.makers):
                for market in range(len(self._rules.markets)):
                    yield self._quote(0, phase, maker, market)
            for account in buyers[start : start + BUYERS_PER_QUOTE]:
                yield self._leverage(phase, account)

    def intents(self) -> Iterator[Intent]:
        """Yield everything that the clients send, in order of time."""
        config = self._config
        process = Hawkes(np.array(config.baseline), np.array(config.branching), config.decay)
        largest = max(phase.load for phase in config.phases)
        arrivals = process.draw(
            config.seconds, lambda time: self.phase_at(time).load, largest, self._arrival_random
        )
        for time_s, kind in arrivals:
            yield self._intent(time_s, KINDS[kind])

    def _intent(self, time_s: float, kind: str) -> Intent:
        phase = self.phase_at(time_s)
        time_ns = int(time_s * 1e9)
        market = int(self._random.integers(len(self._rules.markets)))
        if kind == "quote":
            maker = int(self._random.integers(self._config.makers))
            return self._quote(time_ns, phase, maker, market)
        trader = self._config.makers + int(self._random.integers(self._config.traders))
        if kind == "deposit_margin":
            amount = Money(int(self._random.integers(1, 20)) * MONEY_ONE)
            return Intent(time_ns, phase.name, trader, market=MarketId(market + 1), margin=amount)
        if kind == "limit":
            return self._limit(time_ns, phase, trader, market)
        side = Side.BUY if kind == "buy" else Side.SELL
        if side is Side.BUY and self._random.random() < phase.sell_bias:
            side = Side.SELL
        return self._take(time_ns, phase, trader, market, side)

    def _quote(self, time_ns: int, phase: Phase, maker: int, market: int) -> Intent:
        """Replace a maker's whole ladder in one action: cancels of the last, then new orders."""
        config, rules = self._config, self._rules.markets[market]
        mid = self._path.at(time_ns / 1e9, market)
        orders = [
            NewOrder(
                MarketId(market + 1),
                side,
                OrderType.POST_ONLY,
                _price(mid, (1 if side else -1) * config.spread * (step + 1) * self._jitter()),
                self._size(rules, mid, config.order_notional * (1 + step)),
                client_id=self._client_id(maker),
            )
            for step in range(config.ladder)
            for side in (Side.BUY, Side.SELL)
        ]
        cancels = self._quotes.get((maker, market), ())
        self._quotes[maker, market] = tuple(
            CancelOrder(client_id=order.client_id) for order in orders
        )
        return Intent(time_ns, phase.name, maker, cancels, tuple(orders))

    def _limit(self, time_ns: int, phase: Phase, trader: int, market: int) -> Intent:
        rules = self._rules.markets[market]
        mid = self._path.at(time_ns / 1e9, market)
        side = Side(int(self._random.integers(2)))
        away = (1 if side else -1) * self._config.spread * self._random.exponential(6)
        order = NewOrder(
            MarketId(market + 1),
            side,
            OrderType.GTC,
            _price(mid, float(np.clip(away, -0.04, 0.04))),
            self._size(rules, mid, self._config.order_notional / 4),
            client_id=self._client_id(trader),
        )
        own = self._limits.setdefault(trader, deque())
        cancels = (own.popleft(),) if len(own) == LIMITS_OPEN else ()
        own.append(CancelOrder(client_id=order.client_id))
        return Intent(time_ns, phase.name, trader, cancels, (order,))

    def _take(self, time_ns: int, phase: Phase, trader: int, market: int, side: Side) -> Intent:
        rules = self._rules.markets[market]
        mid = self._path.at(time_ns / 1e9, market)
        order = NewOrder(
            MarketId(market + 1),
            side,
            OrderType.MARKET,
            _price(mid, 0.02 * (-1 if side else 1)),
            self._size(rules, mid, self._config.order_notional),
            reduce_only=bool(self._random.random() < 0.15),
            client_id=self._client_id(trader),
        )
        return Intent(time_ns, phase.name, trader, orders=(order,))

    def _leverage(self, phase: Phase, account: int) -> Intent:
        """Open a position of as much as the account's deposit carries at its leverage."""
        market = account % len(self._rules.markets)
        rules = self._rules.markets[market]
        mid = self._path.at(0, market)
        notional = self._leveraged_notional(1e6 / rules.brackets[0].initial)
        size = Lots(min(int(notional * MONEY_ONE / mid), rules.brackets[0].max_size))
        long_share = self._config.long_share
        # A flow without shorts is the same as without this key: it draws no lot for it.
        buys = long_share >= 1 or bool(self._random.random() < long_share)
        side, away = (Side.BUY, 0.02) if buys else (Side.SELL, -0.02)
        order = NewOrder(MarketId(market + 1), side, OrderType.MARKET, _price(mid, away), size)
        return Intent(0, phase.name, account, orders=(order,))

    def _leveraged_notional(self, highest: float) -> float:
        """Return what a position is worth in quote units; leverage of ``highest`` is allowed."""
        table, deposit = self._config.leverage, float(self._config.leveraged_deposit)
        if not table:
            return deposit * highest * self._random.uniform(0.5, _OF_HIGHEST)
        shares = np.array([share for _, share in table])
        chosen = int(self._random.choice(len(table), p=shares / shares.sum()))
        return deposit * min(table[chosen][0], highest * _OF_HIGHEST)

    def _jitter(self) -> float:
        return float(self._random.uniform(0.5, 1.5))

    def _size(self, rules: MarketRules, mid: float, notional: float) -> Lots:
        """Return a size in lots round ``notional`` quote units, within the market's bounds."""
        wanted = notional * MONEY_ONE / mid * self._random.lognormal(0, 0.5)
        least = rules.min_notional / (mid * 0.9) + 1
        return Lots(int(np.clip(wanted, least, rules.max_size)))

    def _client_id(self, account: int) -> ClientOrderId:
        client_id = self._next_client_id[account]
        self._next_client_id[account] += 1
        return ClientOrderId(client_id)


def _price(mid: float, away: float) -> Ticks:
    return Ticks(max(1, round(mid * (1 + away))))
