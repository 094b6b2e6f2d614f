"""Start-up: what the clocks must be told of a state that they did not watch come about."""

from node.transition.state import State
from node.triggers.due import DueBook
from node.triggers.ladder import Waiter


def due_book_of(state: State, grace_ms: int, retry_ms: int) -> DueBook:
    """Return the book of every open order of ``state`` that waits or ends, and of all switches."""
    book = DueBook((market.market_id for market in state.markets), grace_ms, retry_ms)
    for account in state.accounts.values():
        for order in account.orders.values():
            book.expect(order.order_id, account.address, order.good_till)
        for waiting in account.waiting.values():
            waiter = Waiter(
                waiting.order_id,
                account.address,
                waiting.market,
                waiting.side,
                waiting.trigger,
                waiting.trigger_price,
                waiting.reduce_only,
            )
            book.wait(waiter, waiting.good_till)
        if account.switch_at or account.switch_on_disconnect:
            book.switch(account.address, account.switch_at, account.switch_on_disconnect)
    return book
