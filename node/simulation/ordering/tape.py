"""The tape: the bundled flow, and two kinds of people who hear of a new price.

A price that everyone will see is told in rounds. Where a round moves it far enough, fast traders
send an order for whatever is still offered at yesterday's price, and makers replace their quotes.
The fast ones are sooner by a few milliseconds: that is all that they know better.

Everything on the tape is decided by the seed alone, never by what became of an order before: the
same messages arrive at the same moments, whichever rule they then meet.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import pairwise

import msgspec
import numpy as np

from node.simulation.flow.config import FlowConfig, Phase
from node.simulation.flow.generator import Flow, Intent
from node.types.commands import NewOrder, OrderType, Side
from node.types.ids import MarketId
from node.types.rules import Rules
from node.types.units import NS_PER_MS, PPM_ONE, Lots, Ticks

STRETCH_S = 10.0
"""Jumps go up in one stretch of this length and down in the next."""
_MARKET = MarketId(1)
_MONEY_ONE = 1_000_000


class Setting(msgspec.Struct, frozen=True):
    """What a tape is like.

    ``fast_ms`` and ``slow_ms`` are the mean delays with which fast traders and makers answer a new
    price, ``fast`` how many fast traders there are. They answer moves from ``react_from`` on, a
    relative size; a fast trader wants at least ``edge`` beyond the taker's fee.
    """

    seconds: float = 60.0
    volatility: float = 3e-4
    jumps_per_minute: float = 20.0
    jump_size: float = 2e-3
    load: float = 1.5
    fast: int = 3
    fast_ms: float = 3.0
    slow_ms: float = 20.0
    react_from: float = 3e-4
    edge: float = 1e-4
    fast_notional: float = 20_000.0


class Tape(msgspec.Struct, frozen=True):
    """All that arrives, in order of time; ``prices[i]`` holds from round ``i`` on.

    ``phase`` is the part of a block that has passed when the tape begins (0 … 1).

    Accounts: first the makers, then the traders of the flow, then the fast ones.
    """

    sent: list[Intent]
    prices: list[Ticks]
    round_ns: int
    makers: int
    traders: int
    fast: int
    phase: float

    @property
    def accounts(self) -> int:
        """Return how many accounts take part."""
        return self.makers + self.traders + self.fast

    def is_maker(self, account: int) -> bool:
        """Return whether the account is one of the makers."""
        return account < self.makers

    def is_fast(self, account: int) -> bool:
        """Return whether the account is one of the fast traders."""
        return account >= self.makers + self.traders

    def price_at(self, time_ns: int) -> Ticks:
        """Return the price of the last round at ``time_ns``."""
        return self.prices[min(max(0, time_ns) // self.round_ns, len(self.prices) - 1)]


def make_tape(flow: FlowConfig, rules: Rules, setting: Setting, seed: int) -> Tape:
    """Return the tape of ``seed``, made from the people and rates of ``flow``."""
    drawn = _Requoting(_config(flow, rules, setting, seed), rules)
    prices = [quotes.prices[0] for quotes in drawn.quotes()]
    round_ns = flow.oracle_interval_ms * NS_PER_MS
    random = np.random.default_rng(np.random.SeedSequence(seed).spawn(4)[3])
    answers: list[tuple[int, int, Ticks]] = []
    for index, (before, after) in enumerate(pairwise(prices), start=1):
        if abs(after - before) < setting.react_from * before:
            continue
        people = flow.makers + flow.traders
        for account in (*range(flow.makers), *range(people, people + setting.fast)):
            mean_ms = setting.slow_ms if account < flow.makers else setting.fast_ms
            delay_ns = int(mean_ms * random.uniform(0.5, 1.5) * 1e6)
            heappush(answers, (index * round_ns + delay_ns, account, before))
    merged = _merged(drawn, answers, rules, setting, prices, round_ns)
    sent = [intent for intent in merged if intent.orders]
    phase = float(random.random())
    return Tape(sent, prices, round_ns, flow.makers, flow.traders, setting.fast, phase)


def _config(flow: FlowConfig, rules: Rules, setting: Setting, seed: int) -> FlowConfig:
    count = max(1, round(setting.seconds / STRETCH_S))
    seconds = setting.seconds / count
    phases = tuple(
        Phase(
            name=f"stretch {place}",
            seconds=seconds,
            load=setting.load,
            volatility=setting.volatility,
            jumps=setting.jumps_per_minute * seconds / 60,
            jump_size=setting.jump_size * (-1 if place % 2 else 1),
        )
        for place in range(count)
    )
    symbol = rules.markets[0].symbol
    prices = {symbol: flow.start_prices[symbol]}
    return msgspec.structs.replace(flow, seed=seed, phases=phases, start_prices=prices)


class _Requoting(Flow):
    """The bundled flow, whose makers can also be asked to quote at a moment of ours."""

    @property
    def makers(self) -> int:
        """Return how many makers there are."""
        return self._config.makers

    def requote(self, time_ns: int, maker: int) -> Intent:
        """Return the maker's new ladder, and the cancels of its last."""
        return self._quote(time_ns, self.phase_at(time_ns / 1e9), maker, 0)


def _merged(
    flow: _Requoting,
    answers: list[tuple[int, int, Ticks]],
    rules: Rules,
    setting: Setting,
    prices: list[Ticks],
    round_ns: int,
) -> Iterator[Intent]:
    """Yield flow and answers in order of time: a ladder names the one that it replaces."""
    makers = flow.makers

    def answer() -> Intent:
        time_ns, account, before = heappop(answers)
        if account < makers:
            return flow.requote(time_ns, account)
        now = prices[min(time_ns // round_ns, len(prices) - 1)]
        return _pick_off(time_ns, account, before, now, rules, setting)

    for maker in range(makers):
        yield flow.requote(0, maker)
    for intent in flow.intents():
        while answers and answers[0][0] <= intent.time_ns:
            yield answer()
        yield intent
    while answers:
        yield answer()


def _pick_off(
    time_ns: int, account: int, before: Ticks, now: Ticks, rules: Rules, setting: Setting
) -> Intent:
    """Return an order for all that is still worth taking at the price of before."""
    side = Side.BUY if now > before else Side.SELL
    away = rules.markets[0].taker_fee / PPM_ONE + setting.edge
    limit = round(now * (1 - away if side is Side.BUY else 1 + away))
    size = Lots(int(setting.fast_notional * _MONEY_ONE / now))
    order = NewOrder(_MARKET, side, OrderType.IOC, Ticks(limit), size)
    return Intent(time_ns, "pick off", account, orders=(order,))
