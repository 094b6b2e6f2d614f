"""A taker meets the book: matching proposes each fill, margin judges it, here the two meet."""

from node.margin.fill import Effect, fill_effect
from node.margin.position import Position
from node.matching.book import Order
from node.matching.match import Stop, Verdict, cross
from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.orders import (
    drop_idle_reducers,
    drop_unbacked,
    order_left,
    reserve_after,
    shrink_order,
)
from node.transition.state import Market
from node.transition.waiting import Waiting
from node.types.events import CancelReason, Filled
from node.types.units import Lots, Money, Ticks


class Trade:
    """The judge of one crossing. Nothing is applied to either side unless both can bear it.

    The taker pays ``per_fill`` for the work of each fill; ``fills`` counts them, ``steps`` also the
    orders that left without one.
    """

    __slots__ = (
        "_account", "_beaten", "_closed", "_effects", "_freed", "_market", "_order", "_per_fill",
        "_position", "fills", "steps",
    )  # fmt: skip

    def __init__(
        self, effects: Effects, market: Market, account: Account, order: Order, per_fill: Money
    ) -> None:
        self.fills = self.steps = 0
        self._per_fill = per_fill
        market.age(effects.state.time, effects.state.lag)
        self._effects = effects
        self._market = market
        self._account = account
        self._order = order
        self._position = account.position(market.market_id)
        self._closed: list[Account] = []
        self._beaten: list[Order | Waiting] = []
        # What orders held back that went along. It backs no fill of this crossing: one that was
        # rehearsed has not seen all of them.
        self._freed: dict[Account, int] = {}

    def run(self, max_fills: int) -> Stop:
        """Cross the order with the book, then drop reduce-only orders left with nothing to do."""
        book, now = self._market.book, self._effects.state.time
        stop = cross(book, self._order, max_fills, self, now, self._market.rules.min_notional)
        for account in self._closed:
            self.steps += drop_idle_reducers(self._effects, account, self._market.market_id)
        return stop

    def settle(self, maker: Order, price: Ticks, size: Lots) -> int:
        """Judge one fill; see ``node.matching.match.Judge``."""
        market, rules = self._market, self._market.rules
        account = self._effects.state.accounts[maker.account]
        position = account.positions[maker.market]
        if maker.group and maker in self._beaten:
            return Verdict.MAKER_BEATEN
        if maker.reduce_only:
            size = min(size, position.reducible(maker.side))
            if not size:
                return Verdict.MAKER_CANNOT_REDUCE
        lots = -size if maker.side else size
        freed = self._freed.get(account, 0)
        reserve = reserve_after(market, position, maker, maker.remaining - size)
        given = fill_effect(
            rules,
            position,
            market.funding_index,
            market.mark,
            account.free - freed + maker.reserve - reserve,
            lots,
            price,
            rules.maker_fee,
            market.buffer,
        )
        if given is None:
            return Verdict.MAKER_LACKS_MARGIN
        taken = self._taker_effect(-lots, price)
        if taken is None:
            return Verdict.TAKER_OUT
        self._fill_maker_order(account, position, maker, size, reserve)
        given.free += freed
        self._apply(account, position, given)
        self._apply(self._account, self._position, taken)
        self._effects.state.fees += self._per_fill
        self.fills += 1
        self.steps += 1
        self._tell(maker, price, size, given.fee, taken.fee)
        return size

    def dropped(self, maker: Order, reason: CancelReason) -> None:
        """Account for a maker that left unfilled; see ``node.matching.match.Judge``.

        With a reduce-only order that has nothing to reduce go all of its account, and with one that
        has too little behind it all that have: otherwise each would cost the taker a step, and one
        lot, or none, could hold up a hundred of them for nothing.
        """
        self.steps += 1
        order_left(self._effects, maker, reason)
        account = self._effects.state.accounts[maker.account]
        if reason is CancelReason.REDUCE_ONLY:
            self.steps += drop_idle_reducers(self._effects, account, self._market.market_id)
        elif reason is CancelReason.MARGIN and not maker.reduce_only:
            free = account.free
            self.steps += drop_unbacked(self._effects, account, self._market, maker)
            self._freed[account] = self._freed.get(account, 0) + account.free - free

    def shrinks(self, maker: Order, left: int) -> None:
        """Shrink a maker of the taker's own; see ``node.matching.match.Judge``."""
        self.steps += 1
        shrink_order(self._effects, self._account, maker, Lots(left))

    def _taker_effect(self, lots: int, price: int) -> Effect | None:
        market = self._market
        effect = fill_effect(
            market.rules,
            self._position,
            market.funding_index,
            market.mark,
            self._account.free - self._per_fill,
            lots,
            price,
            market.rules.taker_fee,
            market.buffer,
        )
        # A fill that only closes draws on nothing, so it looks at free collateral no further.
        return None if effect is None or effect.free < 0 else effect

    def _fill_maker_order(
        self, account: Account, position: Position, maker: Order, size: int, reserve: Money
    ) -> None:
        account.reserved -= maker.reserve - reserve
        maker.reserve = reserve
        if not maker.reduce_only:
            position.resting[maker.side] -= size
        if maker.group:
            self._beat_other(account, maker)
        if maker.remaining == size:
            del account.orders[maker.order_id]
            if maker.client_id:
                del account.clients[maker.client_id]
            if maker.group:
                account.leave(maker)
        self._effects.state.touched.orders.add(maker)

    def _beat_other(self, account: Account, maker: Order) -> None:
        """Note that the other order of the maker's group is gone: it must not be filled as well."""
        other = account.other(maker)
        if other is not None and other not in self._beaten:
            self._beaten.append(other)
            self._effects.others.append(other)

    def _apply(self, account: Account, position: Position, effect: Effect) -> None:
        if position.size * effect.size <= 0 and position.size:
            self._closed.append(account)
        account.free = effect.free
        position.size = effect.size
        position.entry = effect.entry
        position.margin = effect.margin
        position.funding = self._market.funding_index
        self._effects.state.fees += effect.fee
        self._effects.account_changed(account)
        self._effects.position_changed(position)

    def _tell(
        self, maker: Order, price: Ticks, size: Lots, maker_fee: Money, taker_fee: Money
    ) -> None:
        order = self._order
        left: Lots = maker.remaining - size  # type: ignore[assignment]  # Lots() costs a call.
        self._effects.events.append(
            Filled(
                order.market,
                price,
                size,
                maker.order_id,
                order.order_id,
                maker.account,
                order.account,
                order.side,
                left,
                maker_fee,
                taker_fee,
            )
        )
