"""Every benchmark runs, on a size at which its figures say nothing. No figure is judged here."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from node.capacity.kinds import Kind
from node.planner.scenario import Extent
from tests.benchmarks import __main__ as command
from tests.benchmarks import book
from tests.benchmarks.admission import PLAIN, measure_admission
from tests.benchmarks.book import (
    ENGINES,
    MIXED,
    OURS,
    RECORDED,
    Course,
    Engine,
    Peer,
    measure_books,
)
from tests.benchmarks.book_peers import BareBook
from tests.benchmarks.book_tape import Plimsoll, Step, mixed_tape, volume_of
from tests.benchmarks.page import Section, page_of
from tests.benchmarks.plan import measure_plan
from tests.benchmarks.rounds import Spread, rate_ratios, spread
from tests.benchmarks.transition import BULKS, PEER, measure_transition
from tests.benchmarks.whole import PATHS, WholeSize, WholeSpeed, measure_whole
from tests.benchmarks.worst_case import measure_worst_cases
from tests.examples import RULES

BARE = "bare dict and heap"


@pytest.fixture
def few_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the benchmark two engines that are always there and one that never is.

    Some of the others take seconds for each tape, where they are installed.
    """

    def absent() -> Engine:
        raise ModuleNotFoundError(name="absent")

    engines = {OURS: ENGINES[OURS], BARE: ENGINES[BARE], "absent": Peer(absent)}
    monkeypatch.setattr(book, "ENGINES", engines)


@pytest.mark.usefixtures("few_engines")
def test_the_book_is_measured_and_an_absent_engine_says_so() -> None:
    rows = measure_books(operations=300, rounds=2)
    ours, bare, absent = (row for row in rows if row.tape == MIXED)
    assert (ours.engine, bare.engine) == (OURS, BARE)
    assert ours.ops_per_s
    assert ours.ratio == 1.0
    assert ours.p50_us is not None
    assert ours.worst_us is not None
    assert 0 < ours.p50_us <= ours.worst_us
    assert bare.ratio
    assert absent.ops_per_s is None
    assert str(absent.missing).startswith("not installed")
    assert any(row.tape == RECORDED for row in rows)


def test_a_plan_is_measured() -> None:
    extent = Extent(horizon_s=60.0, runs=2, knee_runs=1, knee_s=1.0, stretch_events=200)
    (row,) = measure_plan(extent, processes=1)
    assert (row.scenario, row.runs, row.knee_runs, row.processes) == ("calm", 2, 1, 1)
    assert row.seconds > 0


def test_every_engine_that_is_installed_trades_what_is_right() -> None:
    tape = mixed_tape(1, operations=300, warm_orders=50)
    faults = [Course(peer, tape, volume_of(tape)).fault for peer in ENGINES.values()]
    assert faults[:2] == [None, None]
    assert all(fault is None or fault.startswith("not installed") for fault in faults)


def test_an_engine_that_trades_too_little_or_fails_says_so() -> None:
    tape = mixed_tape(1, 300)

    class Short(Plimsoll):
        def volume(self) -> int:
            return super().volume() - 1

    class Broken(Plimsoll):
        def play(self, tape: Iterable[Step]) -> None:
            raise KeyError(next(iter(tape)))

    right = volume_of(tape)
    assert Course(Peer(Plimsoll), tape, right).fault is None
    assert Course(Peer(BareBook), tape, right).fault is None
    assert (
        Course(Peer(Short), tape, right).fault == f"trades {right - 1} lots where {right} are right"
    )
    assert "KeyError" in str(Course(Peer(Broken), tape, right).fault)


@pytest.mark.lengthy
def test_the_transition_is_measured_for_each_size_of_action() -> None:
    *ours, peer = measure_transition(items=400, rounds=2)
    assert [row.items_per_action for row in ours] == list(BULKS)
    assert all(row.items_per_s and row.fills_per_item for row in ours)
    assert peer.engine == PEER
    assert all((row.ratio is None) == (peer.missing is not None) for row in ours)


@pytest.mark.lengthy
def test_admission_is_measured_on_every_path() -> None:
    rows = measure_admission(orders=40, plain_orders=20, rounds=2)
    plain, *others = rows
    assert (plain.ratio, plain.orders_per_message) == (1.0, 1)
    assert len({(row.path, row.orders_per_message) for row in rows}) == 6
    assert all(row.orders_per_s and row.ratio_low <= row.ratio <= row.ratio_high for row in others)


@pytest.mark.lengthy
def test_the_whole_path_is_measured_on_a_node_of_its_own() -> None:
    size = WholeSize({1: 40, 20: 80}, accounts=20, plain_orders=20, rounds=1, open_seconds=0.1)
    rows = measure_whole(size)
    assert [(row.path, row.orders_per_message) for row in rows] == [
        (path, orders)
        for ours in PATHS.values()
        for path, orders in ((PLAIN, 1), (ours, 1), (ours, 20))
    ]
    ours = [row for row in rows if row.path != PLAIN]
    assert all(row.ack_p50_ms is None for row in rows if row not in ours)
    for row in ours:
        assert row.orders_per_s > 0
        assert row.load_cpu is not None
        assert row.ack_p50_ms is not None
        assert row.ack_p99_ms is not None
        assert 0 < row.ack_p50_ms <= row.ack_p99_ms


def test_ratios_are_taken_within_a_round() -> None:
    # Both are four times as slow in the second round: their ratio is not.
    assert rate_ratios(10, [1.0, 4.0], 5, [1.0, 4.0]) == Spread(2.0, 2.0, 2.0)
    assert spread([3.0, 1.0, 2.00049]) == Spread(2.0, 1.0, 3.0)


@pytest.mark.lengthy
def test_the_worst_of_each_kind_applies_in_full() -> None:
    rows = measure_worst_cases(rounds=1)
    assert {row.kind for row in rows} == {kind.word for kind in Kind}
    limits = RULES.limits
    by_case = {row.case: row for row in rows}
    assert max(row.fills for row in rows if row.kind == "bulk") == limits.steps_per_action
    dearest = next(row for row in by_case.values() if row.kind == "place")
    # Each of the makers drops all of its orders but the one that was filled.
    assert dearest.fills == limits.fills_per_order
    assert dearest.events > dearest.fills * (limits.open_orders_per_account - 1)
    closing, dead, _ = (row for row in rows if row.kind == "uncross")
    # Makers and arrivals, likewise.
    assert closing.fills == limits.orders_per_auction
    assert closing.events > 2 * closing.fills * (limits.open_orders_per_account - 1)
    # Dead before it on both sides, and in the way at its end; each takes its partner along.
    assert dead.events > 2 * 3 * limits.orders_per_auction


@pytest.mark.usefixtures("few_engines")
def test_the_command_shows_a_table_and_writes_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = measure_books(operations=100, rounds=1)[0]
    monkeypatch.setitem(command.BENCHMARKS, "book", ("A title", lambda: [row]))
    path = tmp_path / "figures.json"
    page = tmp_path / "figures.html"
    command.main(["--only", "book", "--json", str(path), "--html", str(page)])
    shown_page = page.read_text(encoding="utf-8")
    assert "mixed: speed" in shown_page
    assert "%%" not in shown_page.partition("<script>")[0]
    written = msgspec.json.decode(path.read_bytes())
    assert set(written) == {"machine", "book"}
    assert written["book"][0]["engine"] == OURS
    shown = capsys.readouterr().out
    assert "A title" in shown
    assert f"{row.ops_per_s:,}" in shown


def test_the_page_draws_each_ratio_between_its_lowest_and_highest_round() -> None:
    plain = WholeSpeed(PLAIN, 1, 1_000, 1.0, 1.0, 1.0)
    ours = WholeSpeed("ours", 20, 8_250, 8.25, 6.5, 9.75)
    page = page_of({}, [Section("The whole path", [plain, ours])])
    plots = msgspec.json.decode(page.partition("const plots = ")[2].partition(";\n")[0])
    [plot] = plots
    assert (plot["title"], plot["names"]) == ("Ratios", [f"{PLAIN}, 1 at once", "ours, 20 at once"])
    [trace] = plot["traces"]
    assert [trace[key] for key in ("low", "y", "high")] == [[1.0, 6.5], [1.0, 8.25], [1.0, 9.75]]


def test_the_command_refuses_a_benchmark_that_does_not_exist() -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "book,speed"])
