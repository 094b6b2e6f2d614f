"""A tape played into a market: the true transition and block builder, without network or disk.

What arrives during ``block_ms`` makes one block, in the order of arrival; the builder does with it
whatever the market's ordering asks for. Money is plenty and work is free, so that what differs
between two runs is the ordering. Only what its sender would write otherwise differs as well: in
auctions makers quote good-till-cancelled, everywhere else post-only.
"""

from collections.abc import Iterator
from itertools import count, groupby

import msgspec

from node.sequencer.builder import Builder
from node.sequencer.submission import Submission
from node.simulation.flow.generator import Intent
from node.simulation.ordering.tape import Tape
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import GENESIS_PARENT, Domain
from node.types.commands import (
    Command,
    Deposit,
    NewOrder,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    Side,
)
from node.types.errors import OutOfPhase
from node.types.events import Event, Filled, ItemRejected, OrderAccepted, Rejected
from node.types.fees import FREE
from node.types.ids import Address, OrderId
from node.types.rules import Ordering, Rules, StalenessRules
from node.types.units import NS_PER_MS, Lots, Millis, Money, Ppm, Ticks

START_MS = Millis(1_700_000_000_000)
_DEPOSIT = Money(10**14)
_LIFETIME_MS = 60_000
_OUT_OF_STEP = 1.0137
"""Blocks are so much longer than they are called, so that rounds, which come as regularly, meet
every part of one: in step with the news, the same part would decide a whole tape."""


class Part(msgspec.Struct, frozen=True):
    """One side of a trade: the number of the account, when it sent its order, and what it paid.

    ``at_market``: it was a market order, which wants to trade at once.
    """

    account: int
    sent_ns: int
    at_market: bool
    fee: Money


class Trade(msgspec.Struct, frozen=True):
    """``size`` lots that ``buyer`` bought from ``seller`` at ``time_ns``."""

    time_ns: int
    price: Ticks
    size: Lots
    buyer: Part
    seller: Part


class Played(msgspec.Struct, frozen=True):
    """What came of a tape; ``out_of_phase`` counts cancels that were refused for their place."""

    trades: list[Trade]
    blocks: int
    out_of_phase: int


def rules_for(rules: Rules, ordering: Ordering) -> Rules:
    """Return the first market of ``rules`` alone, so ordered, with nothing else in the way."""
    calm = msgspec.structs.replace(StalenessRules(), deviations=Ppm(0))
    market = msgspec.structs.replace(rules.markets[0], ordering=ordering, staleness=calm)
    return msgspec.structs.replace(rules, markets=(market,), fees=FREE, finality_ms=Millis(0))


def play(tape: Tape, rules: Rules, block_ms: int) -> Played:
    """Play ``tape`` into the first market of ``rules``, a block every ``block_ms``.

    The tape says where between two blocks it begins.
    """
    return _Stage(tape, rules).play(int(block_ms * NS_PER_MS * _OUT_OF_STEP))


class _Stage:
    """One run: the state, the builder, and who is who."""

    def __init__(self, tape: Tape, rules: Rules) -> None:
        self._tape = tape
        self._rules = rules
        self._addresses = [
            Address(number.to_bytes(20, "big")) for number in range(1, tape.accounts + 1)
        ]
        self._nonces = [0] * tape.accounts
        self._names = count()
        # Account, time of sending, and whether it is a market order, of each order by its id.
        self._orders: dict[OrderId, tuple[int, int, bool]] = {}
        self._trades: list[Trade] = []
        self._builder = Builder(
            State.genesis(rules, Domain(chain_id=1, rollup=bytes(20))),
            apply,
            self._name,
            GENESIS_PARENT,
            cancels_first=rules.ordered(Ordering.CANCELS_FIRST),
        )
        self._out_of_phase = 0

    def play(self, block_ns: int) -> Played:
        """Build all blocks."""
        self._build(0, [self._deposit(number) for number in range(len(self._addresses))])
        shift, blocks = int(block_ns * self._tape.phase), 0
        for number, group in groupby(self._arrivals(), key=lambda at: (at[0] + shift) // block_ns):
            self._build((number + 1) * block_ns - shift, [entry for _, entry in group])
            blocks += 1
        return Played(self._trades, blocks, self._out_of_phase)

    def _arrivals(self) -> Iterator[tuple[int, Intent | Command]]:
        """Yield what arrives, with its time: a round stands before all else of its moment."""
        tape = self._tape
        rounds = [(index * tape.round_ns, index) for index in range(len(tape.prices))]
        sent = iter(tape.sent)
        intent = next(sent, None)
        for time_ns, index in rounds:
            while intent is not None and intent.time_ns < time_ns:
                yield intent.time_ns, intent
                intent = next(sent, None)
            yield time_ns, self._round(time_ns, tape.prices[index])
        while intent is not None:
            yield intent.time_ns, intent
            intent = next(sent, None)

    def _build(self, time_ns: int, entries: list[Intent | Command]) -> None:
        now = Millis(START_MS + time_ns // NS_PER_MS)
        submissions = [
            Submission(
                self._action(entry, now) if isinstance(entry, Intent) else entry,
                self._name(None),
                _ignore,
            )
            for entry in entries
        ]
        draft = self._builder.build(submissions, now)
        for entry, result in zip(entries, draft.results, strict=True):
            if isinstance(result, Rejected):
                self._note_refusal(result.code)
            elif draft.unsigned is not None and isinstance(entry, Intent):
                self._note_orders(entry, draft.unsigned.events[result])
        if draft.unsigned is not None:
            for events in draft.unsigned.events:
                self._note_trades(time_ns, events)

    def _note_orders(self, intent: Intent, events: tuple[Event, ...]) -> None:
        for event in events:
            if isinstance(event, OrderAccepted):
                order = intent.orders[event.item - len(intent.cancels)]
                at_market = order.type is OrderType.MARKET
                self._orders[event.order_id] = intent.account, intent.time_ns, at_market
            elif isinstance(event, ItemRejected):
                self._note_refusal(event.code)

    def _note_refusal(self, code: int) -> None:
        self._out_of_phase += code == OutOfPhase.code

    def _note_trades(self, time_ns: int, events: tuple[Event, ...]) -> None:
        for event in events:
            if not isinstance(event, Filled):
                continue
            taker = Part(*self._orders[event.taker_order], event.taker_fee)
            maker = Part(*self._orders[event.maker_order], event.maker_fee)
            buyer, seller = (taker, maker) if event.taker_side is Side.BUY else (maker, taker)
            self._trades.append(Trade(time_ns, event.price, event.size, buyer, seller))

    def _action(self, intent: Intent, now: Millis) -> PlaceOrders:
        account = intent.account
        self._nonces[account] += 1
        address, nonce = self._addresses[account], self._nonces[account]
        expires = Millis(now + _LIFETIME_MS)
        orders = intent.orders
        if self._rules.markets[0].ordering is Ordering.AUCTION:
            orders = tuple(_for_auction(order) for order in orders)
        return PlaceOrders(address, address, nonce, expires, b"", intent.cancels, orders)

    def _deposit(self, number: int) -> Deposit:
        return Deposit(number, self._addresses[number], _DEPOSIT)

    def _round(self, time_ns: int, price: Ticks) -> OracleRound:
        # One millisecond on, because two rounds may not have the same time as the first block.
        time = Millis(START_MS + time_ns // NS_PER_MS + 1)
        reports = tuple(PriceReport(one, (price,), b"") for one in self._rules.reporters)
        return OracleRound(time, reports)

    def _name(self, _command: Command | None) -> bytes:
        """Return an id: nobody looks at them here, but each command needs one of its own."""
        return next(self._names).to_bytes(32, "big")


def _for_auction(order: NewOrder) -> NewOrder:
    """Return ``order`` as its sender would send it to auctions.

    There a post-only quote sits out the auction of its own block; one that is replaced often would
    hardly ever take part.
    """
    if order.type is OrderType.POST_ONLY:
        return msgspec.structs.replace(order, type=OrderType.GTC)
    return order


def _ignore(_outcome: object) -> None:
    """Nobody waits for an answer."""
