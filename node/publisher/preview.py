"""What would become of an order if it were the next command: tried out, on a copy, by the rules.

No formula of the transition is written down a second time. A stage is set up from the leaves of the
durable state that the order can meet: its account, the market, the orders within its reach and
whose they are. The block that would open now is opened there, and the very order applied, by
``apply``. So the numbers are those that the next block would come to, to the last unit, as long as
nothing else comes in between.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import msgspec

from node.codec.answers import ErrorBody
from node.codec.json_actions import ActionReader, PlaceOrdersBody
from node.codec.json_items import OrderBody
from node.codec.ranges import SIGNATURE_BYTES
from node.codec.refusals import Refusals
from node.margin.liquidation import liquidation_price
from node.margin.position import Position
from node.ports.clock import Clock
from node.ports.terms import Terms
from node.publisher.item_results import OrderResult
from node.publisher.leaf_mirror import Leaf, LeafMirror
from node.publisher.results import ResultWriter
from node.transition.apply import apply
from node.transition.leaves import order_key
from node.transition.open_block import next_fees
from node.transition.state import Account, State
from node.types.blocks import Domain
from node.types.commands import NewOrder, OpenBlock, PlaceOrders
from node.types.errors import MalformedMessage, NotFound, UnknownAccount
from node.types.events import Event, Filled, ItemRejected, OrderAccepted, Rejected, WorkCharged
from node.types.ids import Address, MarketId
from node.types.rules import MarketRules, Rules
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
        rules: Rules,
        domain: Domain,
        leaves: LeafMirror,
        clock: Clock,
        terms: Callable[[Millis], Terms],
    ) -> None:
        """``terms`` are those of a block that would open at a time."""
        self._rules = rules
        self._domain = domain
        self._leaves = leaves
        self._clock = clock
        self._terms = terms
        self._refusals = Refusals(rules)
        self._reader = ActionReader(rules)
        self._decode = msgspec.json.Decoder(PreviewBody).decode
        self._results = ResultWriter(rules)

    def preview(self, raw: bytes) -> bytes:
        """Return the JSON text of the answer to the body ``raw``.

        Raises what cannot be read (``MalformedMessage`` …), ``UnknownMarket``, ``UnknownAccount``,
        and ``NotFound`` before the first block.
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
        return _encode(self._shown(self.attempt(action.account, action.orders[0], max_fee)))

    def attempt(
        self,
        account: Address,
        order: NewOrder,
        max_fee: Money | None = None,
        opening: OpenBlock | None = None,
    ) -> Trial:
        """Try ``order`` out; by default in the block that would open now.

        Raises ``UnknownAccount``, and ``NotFound`` before the first block.
        """
        if not tuple(self._leaves.account(account)):
            raise UnknownAccount(account=account)
        reach = min(self._rules.limits.fills_per_order + 1, REACH_MAX)
        while True:
            stage, edge = self._stage(account, order, reach)
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

    # --- setting up ------------------------------------------------------------------------------

    def _stage(self, account: Address, order: NewOrder, reach: int) -> tuple[State, bytes | None]:
        """Return the corner of the state that ``order`` can meet.

        Where more than ``reach`` orders stand within its reach, also the key of the last that was
        copied; else None.
        """
        leaves, side = self._leaves, order.side.opposite
        worst = order_key(order.market, side, order.price, 0)[4:12]
        tried = self._rules.limits.fills_per_order
        within = leaves.within_reach(order.market, side, worst, tried)
        met = list(islice(within, reach))
        edge = met[-1][0] if next(within, None) is not None else None
        owners = {Address(value[:20]) for _, value in met} - {account}
        # The account's own orders may be among those that it meets.
        gathered = {**dict(met), **dict(self._own(account))}
        for owner in owners:
            gathered.update(leaves.account(owner))
            gathered.update(leaves.position(order.market, owner))
        return State.from_leaves(self._rules, self._domain, gathered.items()), edge

    def _own(self, account: Address) -> Iterator[Leaf]:
        """Yield clock and markets, and all that is the account's own."""
        leaves = self._leaves
        clock = leaves.clock()
        if clock is None:
            raise NotFound(block=1)
        yield clock
        yield from leaves.account(account)
        yield from leaves.orders(account)
        yield from leaves.waiting(account)
        for place in range(1, len(self._rules.markets) + 1):
            yield from leaves.market(MarketId(place))
            yield from leaves.position(MarketId(place), account)

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


def _rests_before(stage: State, order: NewOrder, edge: bytes) -> bool:
    """Return whether an order up to ``edge`` still rests: what was not copied was then never met.

    One of the account's own may rest behind it, and shows nothing: those are copied all.
    """
    left = stage.market(order.market).book.best(order.side.opposite)
    if left is None:
        return False
    return order_key(left.market, left.side, left.price, left.rank) <= edge


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
