"""A tape as orders of one market, through the client.

A tape counts in its own ticks and lots, an exchange has rules. The mapping is exact and keeps every
ratio of prices: the tape's coarsest common tick becomes so many ticks of the market that prices lie
above ``PRICE_MIN``, its coarsest common lot so many lots that an order of ordinary size is worth
``NOTIONAL_FACTOR`` times the market's minimum. Orders that are too small, too large or too far from
the mark for the market are sent all the same and refused by name: the tape's venue had other rules.

The engine that ``--engine-only`` runs goes along and knows what every order of the tape has left:

- new         an order of the same type; its account by hash of whoever the tape names
- cancel      by client order id
- reduce      a cancel and a smaller new order in one action: it loses its place in the queue
- outcomes    of a feed (what is left of an order) become cancels and reduces where ours differ

The oracle follows the tape's last trade, as that engine makes it.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median_low

import msgspec

from node.codec.l1_calls import FAUCET_LIMIT
from node.simulation.flow.generator import Intent, Quotes
from node.simulation.keys import dev_keys
from node.simulation.replay.sources import Scheduled, Source
from node.simulation.tape.engine import TapeEngine
from node.simulation.tape.event import TapeEvent, TapeOp
from node.simulation.tape.formats import FORMATS
from node.types.commands import CancelOrder, NewOrder, OrderType, Side
from node.types.errors import ConfigInvalid, UnknownMarket
from node.types.ids import ClientOrderId, MarketId, OrderId
from node.types.rules import MarketRules, Rules
from node.types.units import Lots, Money, Ticks, part_rounded_up

ACCOUNTS = 100
NOTIONAL_FACTOR = 10
PRICE_MIN = 10_000
"""Below it, a rate of some millionths of a price is lost in rounding."""
SAMPLE = 10_000
ORACLE_INTERVAL_NS = 250_000_000
IDLE_PRICE = Ticks(1_000)
"""The mark of every market that the tape is not about."""


class TapeScale(msgspec.Struct, frozen=True):
    """``price_unit`` and ``size_unit`` divide all prices and sizes of the tape.

    ``ticks`` and ``lots`` are what one of them becomes; ``first_price`` (the market's ticks) is
    that of the first trade, or the middle of the first prices asked for where there is none.
    """

    price_unit: int
    ticks: int
    size_unit: int
    lots: int
    first_price: Ticks

    def price(self, price: Ticks) -> Ticks:
        """Return a price of the tape in ticks of the market, exactly."""
        return Ticks(price // self.price_unit * self.ticks)

    def size(self, size: Lots) -> Lots:
        """Return a size of the tape in lots of the market, exactly."""
        return Lots(size // self.size_unit * self.lots)


def measure(events: Iterable[TapeEvent], market: MarketRules) -> TapeScale:
    """Go through a tape once and return the scale that fits it into ``market``.

    Raises ``ConfigInvalid`` for a tape without a priced order.
    """
    engine = TapeEngine()
    price_unit = size_unit = 0
    sample: list[tuple[int, int]] = []
    for event in events:
        engine.play(event)
        size_unit = math.gcd(size_unit, event.size)
        if event.op is TapeOp.NEW and event.price:
            price_unit = math.gcd(price_unit, event.price)
            if len(sample) < SAMPLE:
                sample.append((event.price, event.size))
    if not sample:
        raise ConfigInvalid(faults=("tape: there is no order with a price in it",))
    first = engine.notes.fills[0].price if engine.notes.fills else median_low(p for p, _ in sample)
    ticks = part_rounded_up(PRICE_MIN, 1, first // price_unit)
    ordinary = median_low([p // price_unit * ticks * (s // size_unit) for p, s in sample])
    return TapeScale(
        price_unit=price_unit,
        ticks=ticks,
        size_unit=size_unit,
        lots=max(1, part_rounded_up(NOTIONAL_FACTOR, market.min_notional, max(1, ordinary))),
        first_price=Ticks(first // price_unit * ticks),
    )


class TapeOrders:
    """Turns a tape's events into intents and quotes."""

    def __init__(self, scale: TapeScale, market: MarketId, markets: int, accounts: int) -> None:
        """``market`` is the one that the tape is played into, of ``markets`` in all."""
        self._scale = scale
        self._market = market
        self._markets = markets
        self._accounts = accounts
        self._engine = TapeEngine()
        self._client_ids: dict[OrderId, tuple[int, ClientOrderId]] = {}
        self._next_client_id = 1
        self._price = scale.first_price

    def prices(self) -> tuple[Ticks, ...]:
        """Return what the oracle says now, market by market."""
        places = range(1, self._markets + 1)
        return tuple(self._price if place == self._market else IDLE_PRICE for place in places)

    def play(self, events: Iterable[TapeEvent], phase: str) -> Iterator[Scheduled]:
        """Yield what is to be sent, times counted from the first event."""
        start_ns: int | None = None
        quoted_ns, quoted = 0, self._price
        for event in events:
            start_ns = event.time_ns if start_ns is None else start_ns
            time_ns = max(0, event.time_ns - start_ns)
            intent = self._intent(event, time_ns, phase)
            if self._price != quoted and time_ns >= quoted_ns + ORACLE_INTERVAL_NS:
                quoted_ns, quoted = time_ns, self._price
                yield Quotes(time_ns, phase, self.prices())
            if intent is not None:
                yield intent

    def _intent(self, event: TapeEvent, time_ns: int, phase: str) -> Intent | None:
        """Play ``event`` into the engine; return what it asks of the exchange, if anything."""
        engine = self._engine
        named = event.maker or event.id
        before = engine.orders.get(named)
        left = before.remaining if before is not None and before.resting else 0
        fills = len(engine.notes.fills)
        engine.play(event)
        if len(engine.notes.fills) > fills:
            self._price = self._scale.price(engine.notes.fills[-1].price)
        if event.op is TapeOp.NEW and (not event.maker or len(engine.notes.fills) > fills):
            account = int.from_bytes(event.account[:8]) % self._accounts
            order = self._order(event.id, account, event)
            return Intent(time_ns, phase, account, orders=(order,))
        if before is None or not left:
            return None
        now_left = before.remaining if before.resting else Lots(0)
        return self._change(named, now_left, time_ns, phase) if now_left < left else None

    def _change(self, named: OrderId, left: Lots, time_ns: int, phase: str) -> Intent:
        """Cancel an order; where something is left of it, place that anew."""
        account, client_id = self._client_ids[named]
        cancels = (CancelOrder(client_id=client_id),)
        if not left:
            return Intent(time_ns, phase, account, cancels)
        order = self._engine.orders[named]
        again = TapeEvent(time_ns, TapeOp.NEW, named, 0, order.side, order.price, left)
        return Intent(time_ns, phase, account, cancels, (self._order(named, account, again),))

    def _order(self, named: OrderId, account: int, event: TapeEvent) -> NewOrder:
        client_id = ClientOrderId(self._next_client_id)
        self._next_client_id += 1
        self._client_ids[named] = (account, client_id)
        return NewOrder(
            self._market,
            event.side,
            event.type,
            self._limit(event),
            self._scale.size(event.size),
            client_id=client_id,
        )

    def _limit(self, event: TapeEvent) -> Ticks:
        if event.type is OrderType.MARKET and not event.price:
            # Only a protection; the market's band takes its place.
            return Ticks(2 * self._price) if event.side is Side.BUY else Ticks(1)
        return self._scale.price(event.price)


def tape_source(
    format_name: str, path: Path, rules: Rules, symbol: str, accounts: int, limit: int | None
) -> Source:
    """Return the first ``limit`` events (None: all) of a tape as orders of market ``symbol``.

    The file is read twice: once for the scale. Raises ``ConfigInvalid``, ``UnknownMarket``,
    ``TapeMalformed`` and ``OSError``.
    """
    if format_name not in FORMATS:
        known = ", ".join(FORMATS)
        raise ConfigInvalid(faults=(f"format: {format_name!r} given, one of {known} allowed",))
    symbols = [market.symbol for market in rules.markets]
    if symbol not in symbols:
        raise UnknownMarket(market=symbol)
    market = MarketId(symbols.index(symbol) + 1)
    read = FORMATS[format_name]
    scale = measure(islice(read(path).events, limit), rules.market(market))
    orders = TapeOrders(scale, market, len(symbols), accounts)
    return Source(
        name=path.name,
        accounts=dev_keys("tape", accounts),
        # Together what one call of the test token's faucet pours.
        deposits=[Money(FAUCET_LIMIT // accounts)] * accounts,
        first_prices=orders.prices(),
        opening=(),
        events=orders.play(islice(read(path).events, limit), path.name),
        seconds=None,
        total=None,
    )
