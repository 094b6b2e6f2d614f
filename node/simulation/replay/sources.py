"""What a replay plays: who takes part, what they send before the clock starts, and after."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from node.app.sections import Faults, read_section, read_toml
from node.simulation.flow.config import FlowConfig, check_flow_config
from node.simulation.flow.generator import Flow, Intent, Quotes
from node.simulation.flow.prices import Prices
from node.simulation.keys import DevKey, dev_keys
from node.types.errors import ConfigInvalid
from node.types.rules import Rules
from node.types.units import MONEY_DECIMALS, Money, Ticks, units_from_decimal

Scheduled = Intent | Quotes


class Source(msgspec.Struct, frozen=True):
    """``accounts[n]`` starts with ``deposits[n]``; ``opening`` comes before the clock starts.

    ``first_prices`` are the marks that the opening needs. ``events`` are in order of time and can
    be gone through once. ``seconds`` is how long they last at real speed, None where only reading
    to the end would tell; ``total`` is the number of actions among them, likewise.
    """

    name: str
    accounts: Sequence[DevKey]
    deposits: Sequence[Money]
    first_prices: tuple[Ticks, ...]
    opening: Sequence[Intent]
    events: Iterable[Scheduled]
    seconds: float | None
    total: int | None


def read_flow_config(path: Path) -> FlowConfig:
    """Return the flow in a TOML file. Raises ``ConfigInvalid`` with all faults."""
    faults = Faults()
    config = read_section(FlowConfig, read_toml(path), "flow", faults)
    if config is not None:
        faults.absorb("flow", lambda: check_flow_config(config))
    faults.raise_if_any()
    assert config is not None, "a section without faults was read"
    return config


def flow_source(
    config: FlowConfig,
    rules: Rules,
    name: str = "flow",
    path: Prices | None = None,
    *,
    loop: bool = False,
) -> Source:
    """Return the flow of ``config``, drawn beforehand: drawing costs time that sending needs.

    Prices follow ``path``; without one they are drawn too. With ``loop`` it never ends; it is then
    drawn as it is due.

    Raises ``ConfigInvalid`` for a market without a start price.
    """
    missing = [m.symbol for m in rules.markets if m.symbol not in config.start_prices]
    if missing:
        raise ConfigInvalid(
            faults=tuple(f"start_prices.{symbol}: is missing" for symbol in missing)
        )
    flow = Flow(config, rules, path)
    # Quotes lie ahead of the opening's draws, and both ahead of the intents': one seed, one flow.
    quotes = list(flow.quotes())
    opening = list(flow.opening())
    intents = [] if loop else list(flow.intents())
    return Source(
        name=name,
        accounts=dev_keys("trader", config.accounts),
        deposits=_deposits(config),
        first_prices=quotes[0].prices,
        opening=opening,
        events=_rounds(flow) if loop else list(in_order(quotes, intents)),
        seconds=None if loop else config.seconds,
        total=None if loop else len(intents),
    )


def _rounds(flow: Flow) -> Iterator[Scheduled]:
    """Yield the flow's phases again and again, with prices that go to and fro along one path.

    So they are continuous, and never further from where they began than in the first round.
    """
    start_ns = time_ns = 0
    while True:
        for item in in_order(flow.quotes(), flow.intents()):
            time_ns = start_ns + item.time_ns
            yield msgspec.structs.replace(item, time_ns=time_ns)
        start_ns = time_ns
        flow.turn_back()


def in_order(quotes: Iterable[Quotes], intents: Iterable[Intent]) -> Iterator[Scheduled]:
    """Merge both by time; a quote goes before the intents of the same moment."""
    return heapq.merge(quotes, intents, key=lambda item: item.time_ns)


def _deposits(config: FlowConfig) -> list[Money]:
    def money(text: str) -> Money:
        return Money(units_from_decimal(text, MONEY_DECIMALS))

    plain = config.traders - config.leveraged
    return [
        *[money(config.maker_deposit)] * config.makers,
        *[money(config.trader_deposit)] * plain,
        *[money(config.leveraged_deposit)] * config.leveraged,
    ]
