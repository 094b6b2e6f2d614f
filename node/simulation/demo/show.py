"""The demo's summary for a person."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table

from node.types.units import MONEY_DECIMALS, NS_PER_MS, money_text


def show(console: Console, summary: dict[str, Any], found: list[str], where: str) -> None:
    """Print the summary, and as its last line whether all is well."""
    console.print()
    console.print(Group(*_tables(summary)))
    if found:
        for fault in found:
            console.print(f"[bold red]differs[/]  {fault}", soft_wrap=True, highlight=False)
    else:
        console.print(
            "[bold green]OK[/]  three roots, one state: the chain alone gives back all of it",
            highlight=False,
        )
    console.print(f"[dim]{where}[/]", soft_wrap=True, highlight=False)


def _tables(summary: dict[str, Any]) -> Iterator[RenderableType]:
    yield _overview(summary)
    yield _money(summary["money"])
    yield _stages(summary["stages"])
    yield _chain(summary)


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold", padding=0
    )
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", no_wrap=True)
    return table


def _rows(title: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE, title_style="bold", show_header=False
    )
    table.add_column(style="dim", no_wrap=True)
    # A root or a book must be comparable digit by digit, however narrow the terminal.
    table.add_column(overflow="fold")
    return table


def _overview(summary: dict[str, Any]) -> Table:
    table = _rows("What happened")
    commands, ack = summary["commands"], summary["latency_ms"]["ack"]
    risk, clients = summary["risk"], summary["clients"]
    table.add_row(
        "commands",
        f"{commands['offered']:,} offered, {commands['accepted']:,} accepted,"
        f" {commands['refused']:,} refused",
    )
    table.add_row(
        "orders", f"{summary['orders']:,} placed, {summary['fills']:,} fills in the books"
    )
    table.add_row(
        "liquidations",
        f"{summary['liquidations']:,}, found {_delays(risk['detection'])};"
        f" done {_delays(risk['liquidation'])}",
    )
    table.add_row(
        "risk checks",
        f"{risk['tier_checks']:,} where a full scan makes {risk['full_scan_checks']:,};"
        f" {summary['deleveragings']:,} auto-deleveragings",
    )
    table.add_row(
        "acknowledged",
        ", ".join(f"{name} {_ms(value)}" for name, value in ack.items())
        + " from the moment an action was due",
    )
    table.add_row(
        "throughput",
        f"{summary['throughput_per_s']:,.0f} orders and cancels per second"
        f" over {clients['seconds']:,.0f} s (the flow's own rate)",
    )
    return table


def _money(money: dict[str, int]) -> Table:
    table = _table("Money, to the last millionth", "", "quote units")
    for name, amount in money.items():
        sign = "=" if name == "equity" else " " if name == "deposits" else "+"
        table.add_row(f"{sign} {name}", f"{_dollars(amount)}")
    return table


def _stages(stages: list[dict[str, Any]]) -> Table:
    table = _table(
        "Stages: in = out + held + refused",
        "stage", "in", "out", "held", "refused", "busy s", "used", "limit /s", "p50 µs", "p99 µs",
    )  # fmt: skip
    for stage in stages:
        used, limit, service = stage["utilization"], stage["limit"], stage["service_us"]
        table.add_row(
            stage["name"],
            *(f"{stage[name]:,}" for name in ("in", "out", "held", "refused")),
            f"{stage['busy_s']:.2f}",
            "–" if used is None else f"{used:.1%}",
            "–" if limit is None else f"{limit:,.0f}",
            *("–" if service[name] is None else f"{service[name]:,.0f}" for name in ("p50", "p99")),
        )
    return table


def _chain(summary: dict[str, Any]) -> Table:
    table = _rows("On the chain, and back from it")
    batches, l1, verified = summary["batches"], summary["l1"], summary["verified"]
    causes = ", ".join(f"{count} by {cause}" for cause, count in batches["causes"].items() if count)
    table.add_row(
        "batches",
        f"{batches['sealed']} sealed ({causes}), {batches['posted']} posted,"
        f" {batches['confirmed']} confirmed",
    )
    each = l1["da_bytes"] / max(1, verified["commands"])
    table.add_row(
        "data",
        f"{l1['da_bytes']:,} bytes for {verified['commands']:,} commands ({each:,.0f} each),"
        f" {l1['gas_used']:,} gas on {l1['backend']}",
    )
    for name, root in summary["roots"].items():
        table.add_row(f"root: {name}", root or "none")
    for symbol, book in summary["books"].items():
        same = "the node's very levels" if book["as_shown"] else "moved since the node showed it"
        table.add_row(
            f"book: {symbol}",
            f"{book['resting_orders']:,} orders rebuilt, {book['best_bid']} / {book['best_ask']},"
            f" {same}",
        )
    return table


def _delays(report: dict[str, Any]) -> str:
    if not report["count"]:
        return "never"
    parts = (f"{name[:-3]} {_ms(report[name] / NS_PER_MS)}" for name in ("p50_ns", "p99_ns"))
    return f"{', '.join(parts)}, max {_ms(report['max_ns'] / NS_PER_MS)} after the mark"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f} ms"


def _dollars(amount: int) -> str:
    whole, _, fraction = money_text(amount).partition(".")
    return f"{int(whole):,}.{fraction.ljust(MONEY_DECIMALS, '0')}"
