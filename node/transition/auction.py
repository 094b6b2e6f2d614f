"""One auction: what takes part in it, who can bear what, and the fills; see ``uncross``."""

from itertools import islice
from operator import attrgetter
from typing import Final

import msgspec

from node.margin.fill import Effect, fill_effect
from node.margin.position import Position
from node.matching.auction import Clearing, Interest, Reach, clear
from node.matching.book import Order
from node.matching.match import crosses
from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.orders import (
    amended,
    cancel_others,
    drop_idle_reducers,
    is_open,
    remove_order,
    reserve_after,
)
from node.transition.state import Market, State
from node.types.commands import Side
from node.types.events import CancelReason, Filled
from node.types.ids import Address
from node.types.units import UINT64_MAX, Lots, Money, Ticks

ROUNDS: Final = 8
"""How often an auction is cleared anew because someone could not bear his share."""

_BUY: Final = Side.BUY
_rank = attrgetter("rank")

_Fault = tuple[Order, CancelReason]


class _Lot(msgspec.Struct, frozen=True, gc=False):
    """What takes part in a clearing, one order for each interest."""

    orders: list[Order]
    interests: list[Interest]
    reach: Reach


class _Account:
    """An account as it is tried out: its free collateral, and a copy of its position."""

    __slots__ = ("free", "position")

    def __init__(self, account: Account, market: Market) -> None:
        held = account.position(market.market_id)
        self.free = account.free
        self.position = Position(account.address, market.market_id)
        self.position.size, self.position.entry = held.size, held.entry
        self.position.margin, self.position.funding = held.margin, held.funding

    def take(self, effect: Effect, funding: int) -> None:
        """Move on to what a fill makes of it."""
        self.free = effect.free
        self.position.size, self.position.entry = effect.size, effect.entry
        self.position.margin, self.position.funding = effect.margin, funding


class Auction:
    """One auction: what takes part in it, who can bear what, and the fills."""

    __slots__ = ("_before", "_closed", "_dead_left", "_effects", "_filled", "_market", "_state")

    def __init__(self, effects: Effects, market: Market) -> None:
        self._effects = effects
        self._state: State = effects.state
        self._market = market
        self._closed: dict[Account, None] = {}
        # What each order of the book had left before it was filled here.
        self._before: dict[Order, Lots] = {}
        self._filled = 0
        # How many dead orders may still be taken out of somebody's way.
        self._dead_left = self._state.rules.limits.orders_per_auction

    def run(self) -> tuple[Ticks, Lots]:
        """Trade; return the price (0: nothing trades) and the lots that changed hands."""
        self._drop_expired()
        for _ in range(ROUNDS):
            lot = self._collect()
            clearing = clear(lot.interests, self._market.mark, lot.reach)
            faults = self._faults(lot.orders, clearing)
            if not faults:
                break
            for order, reason in faults:
                remove_order(self._effects, order, reason)
            cancel_others(self._effects)
        else:
            lot = self._collect()
            clearing = clear(lot.interests, self._market.mark, lot.reach)
        place = len(self._effects.events)
        self._fill_all(lot.orders, clearing)
        self._effects.events[place:place] = [
            amended(
                order, order.price, before, order.remaining or before, resting=order.remaining > 0
            )
            for order, before in self._before.items()
        ]
        for account in self._closed:
            drop_idle_reducers(self._effects, account, self._market.market_id)
        return (clearing.price if self._filled else Ticks(0)), Lots(self._filled)

    def clear_dead(self, order: Order) -> None:
        """Take dead orders out of the way of one that is to rest, so many in an auction."""
        book, now = self._market.book, self._state.time
        while self._dead_left and crosses(book, order):
            best = book.best(order.side.opposite)
            assert best is not None
            if not 0 < best.good_till <= now:
                return
            remove_order(self._effects, best, CancelReason.EXPIRED)
            self._dead_left -= 1

    # --- who takes part --------------------------------------------------------------------------

    def _reached(self, side: Side) -> tuple[list[Order], Ticks | None]:
        """Return the orders of the book's ``side`` that an arrival reaches, the best first.

        And, where they are more than may be looked at, the price of the last one: some of those
        behind it may have the same.
        """
        limits = [
            order.price
            for order in self._market.arrivals
            if order.side != side and not order.post_only
        ]
        if not limits:
            return [], None
        limit = self._state.rules.limits.orders_per_auction
        furthest = max(limits) if side is Side.SELL else min(limits)
        reached: list[Order] = []
        for order in islice(self._market.book.orders(side), limit + 1):
            if order.price > furthest if side is Side.SELL else order.price < furthest:
                break
            if len(reached) == limit:
                return reached, reached[-1].price
            reached.append(order)
        return reached, None

    def _drop_expired(self) -> None:
        now = self._state.time
        for side in Side:
            for order in self._reached(side)[0]:
                if 0 < order.good_till <= now:
                    remove_order(self._effects, order, CancelReason.EXPIRED)
        cancel_others(self._effects)

    def _collect(self) -> _Lot:
        """Return all that takes part: of a group one order, of reduce-only orders what they may.

        A dead order takes no part, even where others had to be dropped before it was reached.
        """
        (asks, high), (bids, low) = self._reached(Side.SELL), self._reached(Side.BUY)
        arrivals = sorted(self._market.arrivals, key=_rank)
        every = (*bids, *asks, *(order for order in arrivals if not order.post_only))
        living = [order for order in every if not 0 < order.good_till <= self._state.time]
        sizes = self._sizes(living)
        orders: list[Order] = []
        interests: list[Interest] = []
        for order in living:
            size = sizes[order]
            if size:
                batch = order.batch if order.resting else self._state.block + 1
                orders.append(order)
                interests.append(Interest(order.side, order.price, Lots(size), batch, order.rank))
        return _Lot(orders, interests, Reach(low or Ticks(1), high or Ticks(UINT64_MAX)))

    def _sizes(self, living: list[Order]) -> dict[Order, int]:
        """Return what of each order takes part: the younger of a group where the older cannot.

        The older cannot where other reduce-only orders leave it nothing to reduce. What the younger
        may reduce is told last, so that it takes nothing from those who take part in any case.
        """
        oldest: dict[tuple[Address, int], Order] = {}
        older: dict[Order, Order] = {}
        for order in sorted((order for order in living if order.group), key=_rank):
            first = oldest.setdefault((order.account, order.group), order)
            if first is not order:
                older[order] = first
        rooms: dict[tuple[Address, Side], int] = {}
        sizes = {order: self._room(order, rooms) for order in living if order not in older}
        for order in living:
            if order in older:
                sizes[order] = 0 if sizes[older[order]] else self._room(order, rooms)
        return sizes

    def _room(self, order: Order, rooms: dict[tuple[Address, Side], int]) -> int:
        """Return what of ``order`` takes part; its account's reduce-only orders share one room."""
        if not order.reduce_only:
            return order.remaining
        key = (order.account, order.side)
        if key not in rooms:
            position = self._state.accounts[order.account].position(order.market)
            rooms[key] = position.reducible(order.side)
        size = min(order.remaining, rooms[key])
        rooms[key] -= size
        return size

    # --- who can bear it -------------------------------------------------------------------------

    def _faults(self, orders: list[Order], clearing: Clearing) -> list[_Fault]:
        """Return the orders that cannot bear their shares, each tried out after those before it."""
        tried: dict[Address, _Account] = {}
        faults: list[_Fault] = []
        for order, share in zip(orders, clearing.shares, strict=True):
            if not share:
                continue
            one = tried.get(order.account)
            if one is None:
                one = _Account(self._state.accounts[order.account], self._market)
                tried[order.account] = one
            if order.reduce_only and one.position.reducible(order.side) < share:
                faults.append((order, CancelReason.REDUCE_ONLY))
                continue
            effect, _ = self._effect(one.free, one.position, order, share, clearing.price)
            if effect is None:
                faults.append((order, CancelReason.MARGIN))
            else:
                one.take(effect, self._market.funding_index)
        return faults

    def _effect(
        self, free: int, position: Position, order: Order, size: int, price: int
    ) -> tuple[Effect | None, Money]:
        """Return what the fill makes of the account, and what the order then still reserves."""
        market, rules = self._market, self._market.rules
        reserve = reserve_after(market, position, order, order.remaining - size)
        effect = fill_effect(
            rules,
            position,
            market.funding_index,
            market.mark,
            free + order.reserve - reserve,
            -size if order.side else size,
            price,
            rules.maker_fee if order.resting else rules.taker_fee,
            market.buffer,
        )
        return effect, reserve

    # --- the fills -------------------------------------------------------------------------------

    def _fill_all(self, orders: list[Order], clearing: Clearing) -> None:
        """Pair buyers with sellers until one side has nothing left of its shares."""
        left = {order: share for order, share in zip(orders, clearing.shares, strict=True) if share}
        # Backwards, so that who comes first is taken from the end.
        buyers = [order for order in reversed(left) if order.side is _BUY]
        sellers = [order for order in reversed(left) if order.side is not _BUY]
        while buyers and sellers:
            buyer, seller = buyers[-1], sellers[-1]
            size = min(left[buyer], left[seller])
            filled = self._fill(buyer, seller, size, clearing.price)
            for order, queue in ((buyer, buyers), (seller, sellers)):
                left[order] -= filled
                if not left[order] or not is_open(self._state.accounts[order.account], order):
                    queue.pop()

    def _fill(self, buyer: Order, seller: Order, size: int, price: Ticks) -> int:
        """Fill up to ``size`` lots between the two; return how many, 0 where one of them is out."""
        assert buyer.account != seller.account, "an account met itself in its auction"
        accounts = self._state.accounts
        both = (buyer, seller)
        for order in both:
            if order.reduce_only:
                position = accounts[order.account].position(order.market)
                size = min(size, position.reducible(order.side))
                if not size:
                    remove_order(self._effects, order, CancelReason.REDUCE_ONLY)
                    return 0
        bears = []
        for order in both:
            account = accounts[order.account]
            position = account.position(order.market)
            effect, reserve = self._effect(account.free, position, order, size, price)
            if effect is None:
                remove_order(self._effects, order, CancelReason.MARGIN)
                return 0
            bears.append((order, account, position, effect, reserve))
        maker, taker = both if _is_older(buyer, seller) else (seller, buyer)
        fees = {order: effect.fee for order, _, _, effect, _ in bears}
        self._tell(maker, taker, size, price, fees)
        for order, account, position, effect, reserve in bears:
            self._take_off(order, account, position, size, reserve)
            self._apply(account, position, effect)
        self._filled += size
        return size

    def _take_off(
        self, order: Order, account: Account, position: Position, size: int, reserve: Money
    ) -> None:
        """Take what was filled off the order, wherever it stands, and off its account."""
        account.reserved -= order.reserve - reserve
        order.reserve = reserve
        if not order.reduce_only:
            position.resting[order.side] -= size
        other = account.other(order) if order.group else None
        if other is not None and other not in self._effects.others:
            self._effects.others.append(other)
        if order.remaining == size:
            account.close(order)
            if not order.resting:
                self._state.leave_auction(order)
        if order.resting:
            self._before.setdefault(order, order.remaining)
            self._state.touched.orders.add(order)
            self._market.book.reduce(order, size)
        else:
            order.remaining = Lots(order.remaining - size)

    def _apply(self, account: Account, position: Position, effect: Effect) -> None:
        if position.size and position.size * effect.size <= 0:
            self._closed[account] = None
        account.free = effect.free
        position.size, position.entry = effect.size, effect.entry
        position.margin, position.funding = effect.margin, self._market.funding_index
        self._state.fees += effect.fee
        self._effects.account_changed(account)
        self._effects.position_changed(position)

    def _tell(
        self, maker: Order, taker: Order, size: int, price: Ticks, fees: dict[Order, Money]
    ) -> None:
        self._effects.events.append(
            Filled(
                maker.market,
                price,
                Lots(size),
                maker.order_id,
                taker.order_id,
                maker.account,
                taker.account,
                taker.side,
                Lots(maker.remaining - size),
                fees[maker],
                fees[taker],
                auction=True,
            )
        )


def _is_older(order: Order, other: Order) -> bool:
    """Return whether ``order`` came first: who rests came before who arrived."""
    if order.resting != other.resting:
        return order.resting
    return order.rank < other.rank
