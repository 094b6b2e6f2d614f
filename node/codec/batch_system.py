"""The unsigned part of a batch: what the exchange itself puts into the log, as columns and back.

Each writer is mirrored by a reader, as in ``batch_actions``.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from node.codec.columns import AddressBook, ColumnReader, Columns, Kind, one_key, require_within
from node.codec.ranges import MARKET_ID_MAX, MONEY_MAX
from node.codec.varint import deltas, undeltas, zigzag
from node.types.commands import (
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    OpenBlock,
    OracleRound,
    PriceReport,
    SettleFunding,
    SystemCommand,
    TriggerOrder,
    Uncross,
)
from node.types.errors import BatchMalformed
from node.types.ids import Address, MarketId, OrderId
from node.types.units import LAG_MAX, UINT64_MAX, Millis, Money, Ticks

SYSTEM_KINDS: Final[dict[type[Command], Kind]] = {
    OpenBlock: Kind.OPEN_BLOCK,
    Deposit: Kind.DEPOSIT,
    OracleRound: Kind.ORACLE_ROUND,
    SettleFunding: Kind.SETTLE_FUNDING,
    Liquidate: Kind.LIQUIDATE,
    Expire: Kind.EXPIRE,
    TriggerOrder: Kind.TRIGGER_ORDER,
    Disconnected: Kind.DISCONNECTED,
    Uncross: Kind.UNCROSS,
}

_SINCE_CODE_MAX: Final = zigzag(UINT64_MAX + LAG_MAX)
"""A block's time less its lag may lie as far below zero as a lag is long."""


def write_system(commands: Sequence[SystemCommand], book: AddressBook, out: Columns) -> None:
    """Put all unsigned commands of a batch, in their order, into their columns of ``out``."""
    blocks = [command for command in commands if type(command) is OpenBlock]
    keys = one_key(len(blocks))
    out["block.number"] = deltas(keys, [block.number for block in blocks], step=1)
    out["block.time"] = deltas(keys, [block.time for block in blocks])
    out["block.fee"] = deltas(keys, [block.fee for block in blocks])
    # The oldest command without finality stays the same for many blocks, though its age grows.
    out["block.since"] = deltas(keys, [block.time - block.lag for block in blocks])
    deposits = [command for command in commands if type(command) is Deposit]
    indexes = [deposit.index for deposit in deposits]
    out["deposit.index"] = deltas(one_key(len(deposits)), indexes, step=1)
    out["deposit.account"] = [book.place(deposit.account) for deposit in deposits]
    out["deposit.amount"] = [deposit.amount for deposit in deposits]
    _write_rounds([command for command in commands if type(command) is OracleRound], book, out)
    _write_watched(commands, book, out)


def read_system(
    kinds: Sequence[int],
    addresses: Sequence[Address],
    signatures: Iterator[bytes],
    columns: ColumnReader,
) -> list[SystemCommand]:
    """Return the commands of the ``kinds`` given, in that order. Raises ``BatchMalformed``."""
    readers: dict[int, Iterator[SystemCommand]] = {
        Kind.OPEN_BLOCK: _read_blocks(kinds.count(Kind.OPEN_BLOCK), columns),
        Kind.DEPOSIT: _read_deposits(kinds.count(Kind.DEPOSIT), addresses, columns),
        Kind.ORACLE_ROUND: _read_rounds(
            kinds.count(Kind.ORACLE_ROUND), addresses, signatures, columns
        ),
        Kind.SETTLE_FUNDING: iter([SettleFunding()] * kinds.count(Kind.SETTLE_FUNDING)),
        Kind.LIQUIDATE: _read_liquidations(kinds.count(Kind.LIQUIDATE), addresses, columns),
        Kind.EXPIRE: _read_accounts(
            Expire, "expire.account", kinds.count(Kind.EXPIRE), addresses, columns
        ),
        Kind.TRIGGER_ORDER: _read_triggers(kinds.count(Kind.TRIGGER_ORDER), addresses, columns),
        Kind.DISCONNECTED: _read_accounts(
            Disconnected, "disconnected.account", kinds.count(Kind.DISCONNECTED), addresses, columns
        ),
        Kind.UNCROSS: _read_uncrosses(kinds.count(Kind.UNCROSS), columns),
    }
    return [next(readers[kind]) for kind in kinds]


def _read_blocks(count: int, columns: ColumnReader) -> Iterator[OpenBlock]:
    keys = one_key(count)
    numbers = undeltas(keys, columns.take("block.number", count), step=1)
    times = undeltas(keys, columns.take("block.time", count))
    require_within("block.number", numbers, 0, UINT64_MAX)
    require_within("block.time", times, 0, UINT64_MAX)
    fees = undeltas(keys, columns.take("block.fee", count))
    require_within("block.fee", fees, 0, MONEY_MAX)
    since = undeltas(keys, columns.take("block.since", count, _SINCE_CODE_MAX))
    lags = [time - begin for time, begin in zip(times, since, strict=True)]
    require_within("block.since", lags, 0, LAG_MAX)
    return (
        OpenBlock(number, Millis(time), Money(fee), Millis(lag))
        for number, time, fee, lag in zip(numbers, times, fees, lags, strict=True)
    )


def _read_deposits(
    count: int, addresses: Sequence[Address], columns: ColumnReader
) -> Iterator[Deposit]:
    indexes = undeltas(one_key(count), columns.take("deposit.index", count), step=1)
    require_within("deposit.index", indexes, 0, UINT64_MAX)
    places = columns.take("deposit.account", count, len(addresses) - 1)
    amounts = columns.take("deposit.amount", count, MONEY_MAX)
    return (
        Deposit(index, addresses[place], Money(amount))
        for index, place, amount in zip(indexes, places, amounts, strict=True)
    )


def _read_liquidations(
    count: int, addresses: Sequence[Address], columns: ColumnReader
) -> Iterator[Liquidate]:
    markets = columns.take("liquidate.market", count, MARKET_ID_MAX)
    places = columns.take("liquidate.account", count, len(addresses) - 1)
    return (
        Liquidate(MarketId(market), addresses[place])
        for market, place in zip(markets, places, strict=True)
    )


def _read_accounts(
    make: Callable[[Address], SystemCommand],
    name: str,
    count: int,
    addresses: Sequence[Address],
    columns: ColumnReader,
) -> Iterator[SystemCommand]:
    places = columns.take(name, count, len(addresses) - 1)
    return (make(addresses[place]) for place in places)


def _read_triggers(
    count: int, addresses: Sequence[Address], columns: ColumnReader
) -> Iterator[TriggerOrder]:
    places = columns.take("trigger.account", count, len(addresses) - 1)
    order_ids = undeltas(one_key(count), columns.take("trigger.order_id", count))
    require_within("trigger.order_id", order_ids, 0, UINT64_MAX)
    return (
        TriggerOrder(addresses[place], OrderId(order_id))
        for place, order_id in zip(places, order_ids, strict=True)
    )


def _read_uncrosses(count: int, columns: ColumnReader) -> Iterator[Uncross]:
    markets = columns.take("uncross.market", count, MARKET_ID_MAX)
    return (Uncross(MarketId(market)) for market in markets)


def _write_watched(commands: Sequence[SystemCommand], book: AddressBook, out: Columns) -> None:
    """Write what the exchange's watchers propose."""
    liquidations = [command for command in commands if type(command) is Liquidate]
    out["liquidate.market"] = [liquidation.market for liquidation in liquidations]
    out["liquidate.account"] = [book.place(liquidation.account) for liquidation in liquidations]
    out["expire.account"] = [
        book.place(command.account) for command in commands if type(command) is Expire
    ]
    triggers = [command for command in commands if type(command) is TriggerOrder]
    out["trigger.account"] = [book.place(trigger.account) for trigger in triggers]
    order_ids = [trigger.order_id for trigger in triggers]
    out["trigger.order_id"] = deltas(one_key(len(triggers)), order_ids)
    out["disconnected.account"] = [
        book.place(command.account) for command in commands if type(command) is Disconnected
    ]
    out["uncross.market"] = [command.market for command in commands if type(command) is Uncross]


def _write_rounds(rounds: Sequence[OracleRound], book: AddressBook, out: Columns) -> None:
    reports = [report for command in rounds for report in command.reports]
    out["round.time"] = deltas(one_key(len(rounds)), [command.time for command in rounds])
    out["round.reports"] = [len(command.reports) for command in rounds]
    out["report.reporter"] = [book.place(report.reporter) for report in reports]
    out["report.prices"] = counts = [len(report.prices) for report in reports]
    prices = [price for report in reports for price in report.prices]
    out["report.price"] = deltas(_price_places(counts), prices)


def _read_rounds(
    count: int, addresses: Sequence[Address], signatures: Iterator[bytes], columns: ColumnReader
) -> Iterator[OracleRound]:
    times = undeltas(one_key(count), columns.take("round.time", count))
    require_within("round.time", times, 0, UINT64_MAX)
    report_counts = columns.take("round.reports", count)
    reports = iter(_read_reports(sum(report_counts), addresses, signatures, columns))
    return (
        OracleRound(Millis(time), tuple(islice(reports, report_count)))
        for time, report_count in zip(times, report_counts, strict=True)
    )


def _read_reports(
    count: int, addresses: Sequence[Address], signatures: Iterator[bytes], columns: ColumnReader
) -> list[PriceReport]:
    reporters = columns.take("report.reporter", count, len(addresses) - 1)
    counts = columns.take("report.prices", count)
    codes = columns.all("report.price")
    # The column bounds the sum before anything of that size is built.
    if len(codes) != sum(counts):
        raise BatchMalformed(detail=f"report.price: {len(codes)} values for {sum(counts)} prices")
    values = undeltas(_price_places(counts), codes)
    require_within("report.price", values, 0, UINT64_MAX)
    prices = iter([Ticks(value) for value in values])
    return [
        PriceReport(addresses[place], tuple(islice(prices, price_count)), signature)
        for place, price_count, signature in zip(
            reporters, counts, islice(signatures, count), strict=True
        )
    ]


def _price_places(counts: Sequence[int]) -> list[int]:
    """Return the place of each price in its report: reporters see about the same market."""
    return list(chain.from_iterable(range(count) for count in counts))
