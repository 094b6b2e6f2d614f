"""What would become of an order if it were the next command: tried out, on a copy, by the rules.

No formula of the transition is written down a second time. A stage is set up from the corner of the
state that the order can meet (``node.transition.corner``). The block that would open now is opened
there, and the very order applied, by ``apply``. So the numbers are those that the next block would
come to, to the last unit, as long as nothing else comes in between.

The state that the sequencer drives is ahead of what is durable. So an answer goes with the sequence
it rests on, and is nobody's to see before that is durable.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from node.codec.answers import ErrorBody
from node.codec.json_actions import ActionReader, PlaceOrdersBody
from node.codec.json_items import OrderBody
from node.codec.ranges import SIGNATURE_BYTES
from node.codec.refusals import Refusals
from node.margin.liquidation import liquidation_price
from node.margin.position import Position
from node.matching.book import Order
from node.ports.clock import Clock
from node.ports.terms import Terms
from node.publisher.item_results import OrderResult
from node.publisher.results import ResultWriter
from node.transition.account import Account
from node.transition.apply import apply
from node.transition.corner import corner_of
from node.transition.leaves import order_key
from node.transition.open_block import next_fees
from node.transition.state import State
from node.types.commands import NewOrder, OpenBlock, PlaceOrders
from node.types.errors import MalformedMessage, UnknownAccount
from node.types.events import Event, Filled, ItemRejected, OrderAccepted, Rejected, WorkCharged
from node.types.ids import Address, MarketId, Sequence
from node.types.rules import MarketRules
from node.types.units import LAG_MAX, Millis, Money, decimal_from_units, money_text

REACH_MAX: Final = 1_024
"""Resting orders that are copied at most, in some 7 ms; who would meet more is told so."""

_NO_SIGNATURE: Final = "0x" + bytes(SIGNATURE_BYTES).hex()

_encode = msgspec.json.Encoder().encode


class PreviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order that nobody has signed, and whose it would be.

    ``max_fee`` as in ``place_orders``; left out: whatever work costs.
    """

    account: str
    order: OrderBody
    max_fee: str | None = None


class PreviewFill(msgspec.Struct, frozen=True, gc=False):
    """What would be filled at one price."""

    price: str
    size: str


class PreviewPosition(msgspec.Struct, frozen=True, gc=False):
    """The position as it would stand: signed size, entry value, margin.

    ``liquidation_price`` is the first price, seen from the mark, at which it could be liquidated,
    at the funding of now; null: at none.
    """

    market: str
    size: str
    entry: str
    margin: str
    liquidation_price: str | None


class PreviewFees(msgspec.Struct, frozen=True, gc=False):
    """``trade`` for the fills, ``work`` for the work, at ``work_price`` a unit.

    Rates are millionths.
    """

    maker_rate: int
    taker_rate: int
    trade: str
    work: str
    work_units: int
    work_price: str


class PreviewAnswer(msgspec.Struct, frozen=True, gc=False):
    """What the order would come to in a block opened at ``time`` upon the log's ``sequence``.

    ``result`` is what its sender would be told, null where it would be refused: ``error`` says with
    what. ``value`` is the sum of price x size over ``fills``. ``reserved`` is what the rest of the
    order would hold back of free collateral, ``free`` what would be left of it. ``exact`` is false
    where more orders are within reach than were tried.
    """

    sequence: int
    time: int
    exact: bool
    error: ErrorBody | None
    result: OrderResult | None
    fills: tuple[PreviewFill, ...]
    value: str
    fees: PreviewFees
    reserved: str
    free: str
    position: PreviewPosition | None


class Trial:
    """An order that was tried out: the stage after it, and what happened there."""

    __slots__ = ("command", "events", "exact", "reserved_before", "stage")

    def __init__(self, stage: State, command: PlaceOrders) -> None:
        self.stage = stage
        self.command = command
        self.exact = True
        self.reserved_before = stage.accounts[command.account].reserved
        self.events: tuple[Event, ...] = apply(stage, command)

    @property
    def is_filled(self) -> bool:
        """Return whether all of the order was filled: then it met nothing more."""
        size = sum(event.size for event in self.events if type(event) is OrderAccepted)
        filled = sum(event.size for event in self.events if type(event) is Filled)
        return 0 < size == filled


class Previewer:
    """Tries orders out on copies; see ``node.ports.api.Views.preview``."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        terms: Callable[[Millis], Terms],
    ) -> None:
        """``state`` is the sequencer's own; ``terms`` are those of a block that opens at a time."""
        rules = state.rules
        self._rules = rules
        self._state = state
        self._clock = clock
        self._terms = terms
        self._refusals = Refusals(rules)
        self._reader = ActionReader(rules)
        self._decode = msgspec.json.Decoder(PreviewBody).decode
        self._results = ResultWriter(rules)

    def preview(self, raw: bytes) -> tuple[Sequence, bytes]:
        """Return the JSON text of the answer to the body ``raw``, and the sequence it rests on.

        Raises what cannot be read (``MalformedMessage`` …), ``UnknownMarket``, ``UnknownAccount``.
        """
        try:
            body = self._decode(raw)
        except (ValueError, RecursionError) as error:
            raise MalformedMessage(detail=str(error)) from None
        action = self._reader.read(
            _encode(
                PlaceOrdersBody(
                    account=body.account,
                    nonce=0,
                    expires=0,
                    signature=_NO_SIGNATURE,
                    orders=(body.order,),
                    max_fee="0" if body.max_fee is None else body.max_fee,
                )
            )
        )
        assert isinstance(action, PlaceOrders)
        max_fee = None if body.max_fee is None else action.max_fee
        trial = self.attempt(action.account, action.orders[0], max_fee)
        return self._state.sequence, _encode(self._shown(trial))

    def attempt(
        self,
        account: Address,
        order: NewOrder,
        max_fee: Money | None = None,
        opening: OpenBlock | None = None,
    ) -> Trial:
        """Try ``order`` out; by default in the block that would open now.

        Raises ``UnknownAccount``.
        """
        if account not in self._state.accounts:
            raise UnknownAccount(account=account)
        reach = min(self._rules.limits.fills_per_order + 1, REACH_MAX)
        while True:
            stage, edge = corner_of(self._state, account, order, reach)
            trial = self._on(stage, account, order, max_fee, opening)
            trial.exact = edge is None or trial.is_filled or _rests_before(stage, order, edge)
            if trial.exact or reach == REACH_MAX:
                return trial
            reach = min(4 * reach, REACH_MAX)

    def _on(
        self,
        stage: State,
        account: Address,
        order: NewOrder,
        max_fee: Money | None,
        opening: OpenBlock | None,
    ) -> Trial:
        opened = apply(stage, opening or self._opening(stage))
        assert not isinstance(opened[0], Rejected), opened
        nonce = stage.accounts[account].nonces.top + 1
        head = (account, account, nonce, Millis(stage.time + 1), b"")
        fee = stage.fee if max_fee is None else max_fee
        return Trial(stage, PlaceOrders(*head, (), (order,), Money(fee)))

    def _opening(self, stage: State) -> OpenBlock:
        time = Millis(max(self._clock.now_ms(), stage.time))
        terms = self._terms(time)
        low, high = next_fees(stage, time)
        fee = Money(min(max(terms.fee, low), high))
        return OpenBlock(stage.block + 1, time, fee, Millis(min(terms.lag, LAG_MAX)))

    # --- telling ---------------------------------------------------------------------------------

    def _shown(self, trial: Trial) -> PreviewAnswer:
        stage, command = trial.stage, trial.command
        order = command.orders[0]
        rules = self._rules.market(order.market)
        account = stage.accounts[command.account]
        fault = self._fault_of(trial)
        result = None if fault else self._results.results(command, trial.events)[0]
        fills = [event for event in trial.events if type(event) is Filled]
        return PreviewAnswer(
            sequence=stage.sequence - (0 if type(trial.events[0]) is Rejected else 1) - 1,
            time=stage.time,
            exact=trial.exact,
            error=fault,
            result=result,
            fills=_fills(fills, rules),
            value=money_text(sum(fill.price * fill.size for fill in fills)),
            fees=_fees(fills, trial, rules),
            reserved=money_text(account.reserved - trial.reserved_before),
            free=money_text(account.free),
            position=_position(stage, account, order.market),
        )

    def _fault_of(self, trial: Trial) -> ErrorBody | None:
        """Return the body of the error that the order would be refused with."""
        for event in trial.events:
            if isinstance(event, Rejected):
                return ErrorBody(**self._refusals.of_command(trial.command, event))
            if isinstance(event, ItemRejected):
                return ErrorBody(**self._refusals.of_item(trial.command, event))
        return None


def _rests_before(stage: State, order: NewOrder, edge: Order) -> bool:
    """Return whether an order up to ``edge`` still rests: what was not copied was then never met.

    One of the account's own may rest behind it, and shows nothing: those are copied all.
    """
    left = stage.market(order.market).book.best(order.side.opposite)
    return left is not None and _key(left) <= _key(edge)


def _key(order: Order) -> bytes:
    return order_key(order.market, order.side, order.price, order.rank)


def _fills(fills: list[Filled], rules: MarketRules) -> tuple[PreviewFill, ...]:
    sizes: dict[int, int] = {}
    for fill in fills:
        sizes[fill.price] = sizes.get(fill.price, 0) + fill.size
    return tuple(
        PreviewFill(
            decimal_from_units(price, rules.tick_decimals),
            decimal_from_units(size, rules.lot_decimals),
        )
        for price, size in sizes.items()
    )


def _fees(fills: list[Filled], trial: Trial, rules: MarketRules) -> PreviewFees:
    work = next((event for event in trial.events if type(event) is WorkCharged), None)
    return PreviewFees(
        maker_rate=rules.maker_fee,
        taker_rate=rules.taker_fee,
        trade=money_text(sum(fill.taker_fee for fill in fills)),
        work=money_text(work.amount if work else 0),
        work_units=work.units if work else 0,
        work_price=money_text(trial.stage.fee),
    )


def _position(stage: State, account: Account, market: MarketId) -> PreviewPosition | None:
    held = account.positions.get(market)
    if held is None or not held.size:
        return None
    rules = stage.market(market).rules
    price = _liquidation_price(held, rules, stage.market(market).funding_index)
    return PreviewPosition(
        market=rules.symbol,
        size=decimal_from_units(held.size, rules.lot_decimals),
        entry=money_text(held.entry),
        margin=money_text(held.margin),
        liquidation_price=price,
    )


def _liquidation_price(held: Position, rules: MarketRules, index: int) -> str | None:
    price = liquidation_price(rules, held, index)
    return None if price is None else decimal_from_units(price, rules.tick_decimals)
