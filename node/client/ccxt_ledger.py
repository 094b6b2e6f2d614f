"""An account's ledger: every change of its money, put together from the tables of the history.

Its money is what ``fetch_balance`` calls the total: free collateral, what orders reserve, and the
margin of positions. Every change of it stands in one column of one table; here the tables are read
side by side, command by command, so that an answer leaves nothing out between its first entry and
its last. All of it is exact; floats are made of it at the end (``ccxt_structures``).
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from node.client.ccxt_history import Pages, Span
from node.client.local_account import trade_name
from node.client.rest_calls import Get
from node.client.subscription import Message

TABLES: Final = ("work", "transfers", "funding", "fills", "deleveragings", "liquidations")

# In this order the changes of one command follow each other. What the fund pays comes before the
# loss that it pays for: the money of an account that loses all is 0 then, and not less.
_ORDER: Final = (
    "work", "deposit", "withdrawal", "insurance", "funding", "trade", "trading_fee", "deleveraging",
    "liquidation_fee",
)  # fmt: skip


class Change(msgspec.Struct, frozen=True):
    """One change by ``amount`` (signed), of one of the kinds of ``_ORDER``."""

    kind: str
    amount: Decimal
    row: Message
    reference: str | None = None
    counterparty: str | None = None

    @property
    def sequence(self) -> int:
        """Return the command that made it."""
        return int(self.row["sequence"])

    @property
    def name(self) -> str:
        """Return what names it for good: its command, its kind, its place."""
        return f"{self.sequence}-{self.kind}-{self.row['place']}"


class Ledger(msgspec.Struct, frozen=True):
    """Changes, the oldest first; ``whole``: none of the history's comes behind the last of them."""

    changes: list[Change]
    whole: bool


def changes_of(table: str, row: Message, account: str) -> Iterator[Change]:
    """Yield what a row of ``table`` changed of the money of ``account``; nothing by nothing."""
    return (change for change in _all_changes(table, row, account) if change.amount)


def _all_changes(table: str, row: Message, account: str) -> Iterator[Change]:
    match table:
        case "fills":
            role, other = ("maker", "taker") if row["maker"] == account else ("taker", "maker")
            trade = trade_name(row["sequence"], row["taker_order"] or 0, row["maker_order"])
            gain, fee = Decimal(row[f"{role}_realized"]), Decimal(row[f"{role}_fee"])
            yield Change("trade", gain, row, trade, row[other])
            yield Change("trading_fee", -fee, row, trade)
        case "deleveragings":
            bankrupt = row["account"] == account
            gain = row["realized" if bankrupt else "counterparty_realized"]
            other = row["counterparty" if bankrupt else "account"]
            yield Change("deleveraging", Decimal(gain), row, None, other)
        case "liquidations":
            yield Change("insurance", Decimal(row["shortfall"]), row)
            yield Change("liquidation_fee", -Decimal(row["fee"]), row)
        case "transfers":
            sign = 1 if row["kind"] == "deposit" else -1
            yield Change(row["kind"], sign * Decimal(row["amount"]), row, str(row["number"]))
        case "funding":
            reference = f"{row['sequence']}-{row['place']}"
            yield Change("funding", Decimal(row["amount"]), row, reference)
        case _:
            yield Change("work", -Decimal(row["amount"]), row)


async def read(get: Get, span: Span, account: str, reached: int) -> Ledger:
    """Return the changes that are asked for, of a history that has come to ``reached``.

    The tables answer one behind the other, and the history goes on meanwhile. What is newer than
    the first of the answers is left out: of that some tables would tell, and others not.
    """
    forward = span.since is not None
    tables = {
        table: await Pages.begin(get, table, span, reached=reached, account=account)
        for table in TABLES
    }
    last = min(pages.sequence for pages in tables.values())
    found: list[Change] = []
    to_the_end = not forward
    while len(found) < span.limit:
        heads = [head for pages in tables.values() if (head := await pages.head()) is not None]
        sequence = (min if forward else max)(heads, default=None)
        if sequence is None or (forward and sequence > last):
            to_the_end = True
            break
        changes = await _of_command(tables, sequence, account)
        if sequence <= last:
            found += changes if forward else reversed(changes)
    found = found[: span.limit]
    return Ledger(found if forward else found[::-1], whole=to_the_end and span.until is None)


async def _of_command(tables: dict[str, Pages], sequence: int, account: str) -> list[Change]:
    changes = [
        change
        for table, pages in tables.items()
        for row in await pages.take(sequence)
        for change in changes_of(table, row, account)
    ]
    return sorted(changes, key=lambda one: (_ORDER.index(one.kind), one.row["place"]))


def balances(changes: list[Change], money: Decimal, at: int) -> list[tuple[Decimal, Decimal]]:
    """Return (before, after) of each of ``changes``, behind which no other comes.

    ``money`` is what the account has after command ``at``, which the changes may reach beyond.
    """
    after = money + sum((one.amount for one in changes if one.sequence > at), Decimal(0))
    told = []
    for change in reversed(changes):
        told.append((after - change.amount, after))
        after -= change.amount
    return told[::-1]
