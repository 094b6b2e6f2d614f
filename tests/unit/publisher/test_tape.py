"""Trades and candles: bounded, by the time of blocks, the oldest first."""

from node.publisher.config import PublisherConfig
from node.publisher.tape import Tape
from node.types.durable import DurableBlock
from node.types.events import Filled
from node.types.ids import MarketId, Sequence
from tests.integration.made_up_blocks import MadeUpBlocks

BTC = MarketId(1)
MINUTE_MS = 60_000


def traded(number: int) -> tuple[Tape, list[Filled]]:
    """Return a tape after ``number`` blocks that keeps little, and all fills of one market."""
    tape = Tape(2, PublisherConfig(trades_kept=5, candles_kept=3))
    made, fills = MadeUpBlocks(1, 2), list[Filled]()
    for _ in range(number):
        block = made.draw(4)
        fills += fills_of(block)
        told = tape.take(block)
        assert [fill.fill for each in told if each.market == BTC for fill in each.trades] == (
            fills_of(block)
        )
    return tape, fills


def fills_of(block: DurableBlock) -> list[Filled]:
    return [
        event
        for events in block.events
        for event in events
        if isinstance(event, Filled) and event.market == BTC
    ]


def test_the_last_trades_are_kept_and_no_more() -> None:
    tape, fills = traded(100)
    assert len(fills) > 10
    assert [trade.fill for trade in tape.trades(BTC, 100)] == fills[-5:]
    assert [trade.fill for trade in tape.trades(BTC, 2)] == fills[-2:]
    assert tape.trades(BTC, 1)[0].sequence <= tape.sequence(BTC)


def test_the_last_candles_are_kept_and_no_more() -> None:
    # Fifty milliseconds a block: six minutes.
    tape, fills = traded(7_200)
    candles = tape.candles(BTC, "1m", 100)
    assert [candle.start % MINUTE_MS for candle in candles] == [0, 0, 0]
    assert [candle.start for candle in candles] == sorted(candle.start for candle in candles)
    (day,) = tape.candles(BTC, "1d", 100)
    assert day.trades == len(fills)
    assert day.volume == sum(fill.size for fill in fills)
    assert (day.open, day.close) == (fills[0].price, fills[-1].price)
    prices = [fill.price for fill in fills]
    assert (day.low, day.high) == (min(prices), max(prices))


def test_what_was_traded_before_a_start_is_not_held_to_be_nothing() -> None:
    tape, made = Tape(2, PublisherConfig()), MadeUpBlocks(1, 2)
    block = made.draw(4)
    while not fills_of(block):
        block = made.draw(4)
    before = Sequence(block.block.first_sequence - 1)
    tape.begin(before)
    assert tape.sequence(BTC) == before
    (told,) = [each for each in tape.take(block) if each.market == BTC]
    assert told.before == before
    assert tape.sequence(BTC) == block.block.last_sequence


def test_nothing_traded_is_nothing_told() -> None:
    tape = Tape(1, PublisherConfig())
    assert (tape.trades(BTC, 5), tape.candles(BTC, "1h", 5), tape.sequence(BTC)) == ([], [], 0)
