"""The adapter's methods that look back: ended orders, fills, funding, liquidations, the ledger.

They read the node's history. Of fills and orders the connection knows what the history does not yet
tell, and it is joined to it; all else is asked for until the history has come as far as the
connection. So nothing that this program has heard of is missing, and nothing is there twice.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal

from node.client import ccxt_history, ccxt_ledger
from node.client.ccxt_account import AccountMethods
from node.client.ccxt_errors import (
    ArgumentsRequired,
    BadRequest,
    NotSupported,
    OrderNotFound,
    translated,
)
from node.client.ccxt_history import (
    Past,
    Span,
    fill_of_row,
    order_of_row,
    span_of,
)
from node.client.ccxt_orders import client_id_of, order_number
from node.client.ccxt_structures import (
    funding_structure,
    ledger_structure,
    liquidation_structure,
    money_of,
    own_trade_structure,
    status_of,
    transaction_structure,
)
from node.client.ccxt_venue import Structure, require_none
from node.client.local_account import UNKNOWN, LocalAccount, Order
from node.client.subscription import Message


class PastMethods(AccountMethods):
    """What has been. Each takes ``since``, ``limit``, and in params ``until`` and ``paginate``."""

    async def fetch_order(
        self,
        id: str | None,  # noqa: A002 - CCXT's name
        symbol: str | None = None,  # noqa: ARG002 - an id says all
        params: Structure | None = None,
    ) -> Structure:
        """Return an order of the account, however long ago it ended.

        By its id, or by ``clientOrderId`` in params: the newest that had it.
        """
        asked = dict(params or {})
        client_id = client_id_of(asked.pop("clientOrderId", None))
        require_none(asked)
        if (id is None) == (client_id == 0):
            raise ArgumentsRequired("plimsoll: an order has an id, or a clientOrderId in params")
        name = {"client_id": client_id} if id is None else {"order_id": order_number(id)}
        heard = await self._heard()
        known = None if heard is None else _known(heard, **name)
        if known is not None and _is_whole(known):
            return self._shown_order(known)
        needed = _needed(heard, [known] if known is not None else [])
        try:
            past = await self._read("orders", span_of(None, 1, None), needed, **name)
        except NotSupported:
            if known is None:
                raise
            return self._shown_order(known)
        if not past.rows:
            raise OrderNotFound(f"plimsoll: the account never had an order {id or client_id}")
        return self._order_of(past.rows[0])

    async def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return orders, open and ended, the oldest first."""
        return await self._orders(symbol, span_of(since, limit, params), None)

    async def fetch_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return orders that were filled, the oldest first; times are those of their arrival."""
        return await self._orders(symbol, span_of(since, limit, params), "filled")

    async def fetch_canceled_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return orders that ended unfilled or partly filled, the oldest first."""
        return await self._orders(symbol, span_of(since, limit, params), "cancelled")

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return the account's fills, the oldest first."""
        span, market = span_of(since, limit, params), await self._named(symbol)
        heard = await self._heard()
        told = [] if heard is None else list(heard.fills.values())
        reached = 0 if heard is None else heard.whole_since
        past = await self._read("fills", span, reached, market=market)
        account = await self.account()
        found = {one.key: one for one in (fill_of_row(row, account) for row in past.rows)}
        for fill in told:
            fits = market in {None, fill.market} and span.holds(fill.time)
            if fill.sequence > past.sequence and fits:
                found[fill.key] = fill
        fills = span.cut(sorted(found.values(), key=lambda one: one.sequence))
        return [own_trade_structure(self._symbol_of(one.market), one, self.quote) for one in fills]

    async def fetch_funding_history(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return what positions received (paid: below zero), each time that they were touched."""
        span, market = span_of(since, limit, params), await self._named(symbol)
        past = await self._read("funding", span, await self._seen(), market=market)
        return [
            funding_structure(self._symbol_of(row["market"]), row, self.quote) for row in past.rows
        ]

    async def fetch_my_liquidations(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return the liquidations of the account's positions, the oldest first."""
        span, market = span_of(since, limit, params), await self._named(symbol)
        past = await self._read("liquidations", span, await self._seen(), market=market)
        return [liquidation_structure(self._symbol_of(row["market"]), row) for row in past.rows]

    async def fetch_liquidations(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return everybody's liquidations in a market, the oldest first."""
        span, market = span_of(since, limit, params), await self._named(symbol)
        past = await ccxt_history.read(self._get, "liquidations", span, market=market)
        return [liquidation_structure(self._symbol_of(row["market"]), row) for row in past.rows]

    async def fetch_deposits(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return what arrived from L1, the oldest first."""
        return await self._transfers(code, span_of(since, limit, params), "deposit")

    async def fetch_withdrawals(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return what was withdrawn, the oldest first: ``ok`` once L1 would pay it out."""
        return await self._transfers(code, span_of(since, limit, params), "withdrawal")

    async def fetch_deposits_withdrawals(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return deposits and withdrawals, the oldest first."""
        return await self._transfers(code, span_of(since, limit, params), None)

    async def fetch_ledger(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return every change of the account's money, the oldest first.

        What it had before and after is told where the answer reaches to the newest change.
        """
        span = span_of(since, limit, params)
        await self._require_quote(code)
        account, shown, seen = await self.account(), await self._shown(), await self._seen()
        at = int(shown["seq"])
        ledger = await ccxt_ledger.read(self._get, span, account, reached=max(seen, at))
        changes = ledger.changes
        told: list[tuple[Decimal, Decimal] | None] = [None] * len(changes)
        if ledger.whole:
            told = [*ccxt_ledger.balances(changes, money_of(shown), at)]
        return [
            ledger_structure(change, account, self.quote, balance)
            for change, balance in zip(changes, told, strict=True)
        ]

    async def _orders(self, symbol: str | None, span: Span, status: str | None) -> list[Structure]:
        market = await self._named(symbol)
        heard = await self._heard()
        told = [] if heard is None else [*heard.open.values(), *heard.ended.values()]
        past = await self._read("orders", span, _needed(heard, told), market=market, status=status)
        rows = {row["order_id"]: row for row in past.rows}
        found = {number: self._order_of(row) for number, row in rows.items()}
        fits = _fitting(market, span, status)
        for order in told:
            if order.sequence > past.sequence and _is_whole(order) and fits(order):
                found[order.order_id] = self._shown_order(order)
        return span.cut([found[number] for number in sorted(found)])

    async def _transfers(self, code: str | None, span: Span, kind: str | None) -> list[Structure]:
        await self._require_quote(code)
        past = await self._read("transfers", span, await self._seen(), kind=kind)
        final = await self._final(past.rows)
        return [transaction_structure(row, self.quote, final) for row in past.rows]

    async def _require_quote(self, code: str | None) -> None:
        await self.load_markets()
        if code not in {None, self.quote}:
            raise BadRequest(f"plimsoll: there is no {code} here, only {self.quote}")

    async def _final(self, rows: Iterable[Message]) -> int:
        """Return the last command that is final on L1, where a withdrawal needs to know."""
        last = max((row["sequence"] for row in rows if row["kind"] == "withdrawal"), default=0)
        if not last:
            return 0
        with translated():
            return int((await self._get(f"/finality/{last}"))["final"])

    async def _heard(self) -> LocalAccount | None:
        """Return the account as the connection hears of it, None for who has no key to log in."""
        await self.load_markets()
        return (await self._now()).account if self._secret else None

    async def _seen(self) -> int:
        """Return the last command of which the connection has heard."""
        heard = await self._heard()
        return 0 if heard is None else heard.seq

    async def _read(self, table: str, span: Span, reached: int, **asked: object) -> Past:
        """Return the account's rows of ``table``."""
        with translated():
            account = await self.account()
        return await ccxt_history.read(
            self._get, table, span, reached=reached, account=account, **asked
        )

    async def _named(self, symbol: str | None) -> str | None:
        """Return the exchange's own name of a market."""
        return None if symbol is None else str((await self._loaded(symbol))["id"])

    def _order_of(self, row: Message) -> Structure:
        return self._shown_order(order_of_row(row))


def _known(heard: LocalAccount, order_id: int = 0, client_id: int = 0) -> Order | None:
    """Return the order of that id, or the newest of that client order id, if it was heard of."""
    return heard.order(order_id) if order_id else heard.latest(client_id)


def _is_whole(order: Order) -> bool:
    """Return whether all of the order's life was heard of, so that its sums are right."""
    return order.time > 0 and order.cost is not None and order.ended != UNKNOWN


def _needed(heard: LocalAccount | None, told: Iterable[Order]) -> int:
    """Return up to where only the history knows what has become of orders."""
    if heard is None:
        return 0
    return max([heard.whole_since, *(one.sequence for one in told if not _is_whole(one))])


def _fitting(market: str | None, span: Span, status: str | None) -> Callable[[Order], bool]:
    """Return what tells whether an order that was heard of is asked for."""
    wanted = {"filled": "closed", "cancelled": "canceled"}.get(status or "")

    def fits(order: Order) -> bool:
        of_state = wanted is None or status_of(order) == wanted
        return of_state and market in {None, order.market} and span.holds(order.time)

    return fits
