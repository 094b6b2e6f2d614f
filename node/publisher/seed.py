"""Start-up: the mirrors begin as the state that recovery came out with."""

from node.publisher.account_mirror import SWITCHED_OFF, AccountMirror, OpenOrder
from node.publisher.accounts import Accounts
from node.publisher.book_mirror import Resting
from node.publisher.books import Books
from node.publisher.marks import Marked, Marks
from node.transition.account import Account
from node.transition.state import State
from node.types.commands import OrderType, Side
from node.types.events import PositionChanged
from node.types.feed_states import PARTLY_FILLED, RESTING, WAITING
from node.types.ids import Sequence
from node.types.units import Lots, Millis, Money, Ticks


def books_of(state: State) -> Books:
    """Return the books as ``state`` has them."""
    books = Books(len(state.markets))
    for market in state.markets:
        books.seed(
            market.market_id,
            (
                Resting(order.order_id, side, order.price, order.remaining)
                for side in Side
                for order in market.book.orders(side)
            ),
        )
    return books


def marks_of(state: State) -> Marks:
    """Return the marks as ``state`` has them."""
    marks = Marks(Sequence(state.sequence))
    marks.time, marks.lag = state.time, state.lag
    for market in state.markets:
        if market.mark_time:
            marks.by_market[market.market_id] = Marked(
                Ticks(market.mark),
                Millis(market.mark_time),
                market.variance,
                Millis(market.funding_time),
                market.funding_index,
                market.premium_sum,
                market.premium_samples,
            )
    return marks


def accounts_of(state: State) -> Accounts:
    """Return the accounts as ``state`` has them."""
    accounts = Accounts(state.rules.limits, Millis(state.time))
    for address, account in state.accounts.items():
        _fill(accounts.seed(address, Sequence(state.sequence)), account)
        for market, position in account.positions.items():
            accounts.open_interest[market] += max(position.size, 0)
    return accounts


def _fill(mirror: AccountMirror, account: Account) -> None:
    mirror.free = Money(account.free)
    mirror.reserved = Money(account.reserved)
    for market, position in account.positions.items():
        if position.size:
            mirror.positions[market] = PositionChanged(
                account.address,
                market,
                Lots(position.size),
                Money(position.entry),
                Money(position.margin),
                position.funding,
            )
    for order in account.orders.values():
        mirror.orders[order.order_id] = OpenOrder(
            order.order_id,
            order.client_id,
            order.market,
            Side(order.side),
            order.price,
            order.remaining,
            OrderType.POST_ONLY if order.post_only else OrderType.GTC,
            order.reduce_only,
            Lots(order.size - order.remaining),
            state=RESTING if order.remaining == order.size else PARTLY_FILLED,
            good_till=order.good_till,
            group=order.group,
            self_trade=order.self_trade,
        )
    for waiting in account.waiting.values():
        mirror.orders[waiting.order_id] = OpenOrder(
            waiting.order_id,
            waiting.client_id,
            waiting.market,
            Side(waiting.side),
            waiting.price,
            waiting.size,
            waiting.new.type,
            waiting.reduce_only,
            state=WAITING,
            good_till=waiting.good_till,
            group=waiting.group,
            self_trade=waiting.new.self_trade,
            trigger=waiting.trigger,
            trigger_price=waiting.trigger_price,
        )
    switch = account.switch_at, account.switch_on_disconnect
    mirror.switch = SWITCHED_OFF if switch == SWITCHED_OFF else switch
    mirror.nonce = account.nonces.top
    for agent, held in account.agents.items():
        mirror.know(agent, held.until, held.nonces.top)
