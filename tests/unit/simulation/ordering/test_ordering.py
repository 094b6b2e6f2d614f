"""The comparison: that its tapes are fair to every rule, and its figures what they say they are."""

import pytest

from node.app.cli.ordering import BUNDLED_RULES
from node.app.config import read_rules
from node.simulation.flow.generator import Intent
from node.simulation.ordering.compare import compare
from node.simulation.ordering.measure import Interval, figures_of, interval
from node.simulation.ordering.play import Part, Played, Trade, play, rules_for
from node.simulation.ordering.tape import Setting, Tape, make_tape
from node.simulation.replay.command import BUNDLED_FLOW
from node.simulation.replay.sources import read_flow_config
from node.types.commands import NewOrder, OrderType, Side
from node.types.ids import MarketId
from node.types.rules import Ordering
from node.types.units import Lots, Money, Ticks

FLOW = read_flow_config(BUNDLED_FLOW)
RULES = read_rules(BUNDLED_RULES)
SHORT = Setting(seconds=4.0, jumps_per_minute=60.0)
SECOND = 1_000_000_000


def tape_of(seed: int) -> Tape:
    return make_tape(FLOW, rules_for(RULES, Ordering.CONTINUOUS), SHORT, seed)


def test_a_seed_is_one_tape_in_order_of_time() -> None:
    first, again, other = tape_of(1), tape_of(1), tape_of(2)
    assert first == again
    assert first.sent != other.sent
    times = [intent.time_ns for intent in first.sent]
    assert times == sorted(times)


def test_after_a_jump_the_fast_come_first_and_want_more_than_the_fee() -> None:
    tape = tape_of(1)
    picking = [intent for intent in tape.sent if tape.is_fast(intent.account)]
    assert len(picking) >= SHORT.fast
    for intent in picking:
        (order,) = intent.orders
        fair = tape.price_at(intent.time_ns)
        gain = (fair - order.price) / fair * (1 if order.side is Side.BUY else -1)
        assert gain == pytest.approx(RULES.markets[0].taker_fee / 1e6 + SHORT.edge, abs=1e-5)
        delay_ms = intent.time_ns % tape.round_ns / 1e6
        assert SHORT.fast_ms / 2 - 1e-3 <= delay_ms <= SHORT.fast_ms * 1.5


def test_the_same_run_has_the_same_trades_and_no_cancel_meets_its_phase() -> None:
    tape = tape_of(3)
    for ordering in Ordering:
        rules = rules_for(RULES, ordering)
        played = play(tape, rules, 40)
        assert played == play(tape, rules, 40)
        assert played.trades
        assert played.out_of_phase == 0


# --- figures, by a tape that can be worked out by hand --------------------------------------------

MAKER, TAKER, FAST = 0, 1, 2


def hand_made(*orders: tuple[int, int]) -> Tape:
    """Return a tape of market orders (account, lots); the price is 100 for a second, then 110."""
    sent = [
        Intent(
            0,
            "",
            account,
            orders=(NewOrder(MarketId(1), Side.BUY, OrderType.MARKET, Ticks(120), Lots(lots)),),
        )
        for account, lots in orders
    ]
    prices = [Ticks(100), Ticks(110)]
    return Tape(sent, prices, SECOND, makers=1, traders=1, fast=1, phase=0.0)


def part(account: int, fee: int = 0, *, at_market: bool = False) -> Part:
    return Part(account, 0, at_market, Money(fee))


def test_figures_of_a_run_worked_out_by_hand() -> None:
    """The maker sells ten lots to each; the taker wanted twenty, and the price goes to 110."""
    trades = [
        Trade(0, Ticks(101), Lots(10), part(TAKER, 5, at_market=True), part(MAKER, 2)),
        Trade(0, Ticks(102), Lots(10), part(FAST), part(MAKER, 2)),
        Trade(0, Ticks(100), Lots(99), part(TAKER), part(FAST)),
    ]
    figures = figures_of(hand_made((TAKER, 20)), Played(trades, 1, 0), SECOND)
    value = 1010 + 1020
    assert figures.makers_earned == pytest.approx(-(90 + 80) / value * 10_000)
    assert figures.picked_off == pytest.approx(80 / value * 10_000)
    assert figures.fast_share == pytest.approx(1020 / value)
    assert figures.maker_fees == pytest.approx(4 / value * 10_000)
    assert figures.takers_paid == pytest.approx(10 / 1010 * 10_000)
    assert figures.taker_fees == pytest.approx(5 / 1010 * 10_000)
    assert figures.takers_filled == pytest.approx(0.5)


def test_a_run_without_trades_has_figures_of_nothing() -> None:
    figures = figures_of(hand_made(), Played([], 0, 0), SECOND)
    assert figures.makers_earned == figures.takers_filled == 0.0


def test_an_interval_is_students_over_the_seeds() -> None:
    two = interval([1.0, 3.0])
    assert two.mean == 2.0
    assert two.half_width == pytest.approx(12.706, abs=1e-3)
    assert interval([4.0]).half_width == float("inf")


def test_the_comparison_holds_every_rule_against_continuous_on_the_same_tapes() -> None:
    compared = compare(FLOW, RULES, SHORT, [1, 2], [100])
    assert [row.ordering for row in compared.rows] == list(Ordering)
    base, cancels_first, auction = compared.rows
    assert all(one == Interval(0.0, 0.0) for one in base.against.values())
    for row in (cancels_first, auction):
        for name, one in row.against.items():
            difference = row.figures[name].mean - base.figures[name].mean
            assert one.mean == pytest.approx(difference, abs=1e-9)
    # In blocks far longer than a maker's delay, cancels first leaves less to pick off.
    assert cancels_first.figures["picked_off"].mean < base.figures["picked_off"].mean
