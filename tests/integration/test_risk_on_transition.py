"""The risk processor beside the real transition: one mirror, one judgement, nobody forgotten.

Each block's events go to the processor, and what it proposes is applied in the next block.
"""

import pytest

from node.risk.book import RiskBook
from node.risk.config import RiskConfig
from node.risk.processor import RiskProcessor
from node.risk.seed import events_of
from node.types.commands import Liquidate
from node.types.ids import Address, MarketId
from tests.integration.risk_exchange import Exchange

BLOCKS = 400


def known_to(processor: RiskProcessor) -> set[tuple[MarketId, Address]]:
    """Return what the processor holds to be liquidatable now."""
    return {
        (watch.view.market, account)
        for watch in processor._watches.values()
        for account in watch.cases
    }


def mirror_of(book: RiskBook) -> list[tuple[object, ...]]:
    return [
        (
            view.mark,
            view.funding,
            sorted(
                (held.account, held.size, held.entry, held.margin, held.funding)
                for held in view.holdings.values()
            ),
        )
        for view in book.views
    ]


def processor_mirror(processor: RiskProcessor) -> RiskBook:
    book = RiskBook.__new__(RiskBook)
    book.views = tuple(watch.view for watch in processor._watches.values())
    return book


@pytest.mark.parametrize("seed", range(4))
def test_the_processor_knows_exactly_whom_the_transition_would_liquidate(seed: int) -> None:
    exchange = Exchange(seed)
    processor = RiskProcessor(RiskBook(exchange.rules), RiskConfig(audit_per_round=5))
    proposals: list[Liquidate] = []
    for turn in range(BLOCKS):
        proposals = processor.on_events(*exchange.execute(exchange.commands(proposals)))
        assert known_to(processor) == exchange.failing(), f"seed {seed}, block {turn}"
    seeded = RiskBook.from_positions(exchange.rules, events_of(exchange.state))
    assert mirror_of(seeded) == mirror_of(processor_mirror(processor))
    report = processor.report()
    print(seed, dict(exchange.outcomes), report)
    assert report.liquidated == exchange.outcomes["Liquidated"] > 20
    assert report.audit_misses == 0
    assert report.audit_samples > 400
