"""Known costs are found within the intervals that are told; bad telemetry is refused whole."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from node.capacity.histogram import BUCKETS, Histogram
from node.capacity.telemetry import HistogramCounts, StageCounters, Telemetry
from node.planner.calibration import Calibration, Work, amounts_of, calibrate
from node.planner.calibration_file import decode_calibration, encode_calibration
from node.planner.regression import fit_linear, interval_of, resamples_of, told_apart
from node.planner.service_law import SAMPLE, sample_of
from node.planner.windows import read_telemetry, windows_of
from node.types.errors import MeasurementInvalid
from tests.unit.planner.telemetry_examples import EMPTY, KINDS, Kind, Node, reads_of

RATES = [*np.linspace(50, 900, 12).tolist()] * 3
NODE = Node()


def calibrated(seed: int, node: Node = NODE, rates: list[float] | None = None) -> Calibration:
    return calibrate(reads_of(node, rates or RATES, np.random.default_rng(seed)))


def at_saturation(rate: float = 3_000.0, blocks: float = 60.0) -> Work:
    """Return what a second brings that is far busier than any that was measured."""
    commands = {kind.name: rate * kind.share for kind in KINDS}
    items = sum(rate * kind.share * kind.items for kind in KINDS)
    return Work(1.0, rate, blocks, commands, items)


def true_loop_s(node: Node, work: Work) -> float:
    direct = sum(work.commands[kind.name] * kind.service_s for kind in node.kinds)
    direct += work.blocks * node.cold_s
    making = work.blocks * node.making_s + sum(work.commands.values()) * node.made_command_s
    beside = work.seconds * node.second_s + work.messages * node.message_s
    return direct + making + beside + work.blocks * node.block_s + work.items * node.item_s


def told(found: Calibration) -> dict[str, tuple[tuple[float, float], float]]:
    """Return each interval that a calibration tells, with the truth that it should hold."""
    loop, blocks, journal = found.loop, found.blocks, found.journal
    assert loop is not None
    assert blocks is not None
    assert journal is not None
    linear = [
        (loop, "second", NODE.second_s),
        (loop, "message", NODE.message_s),
        (loop, "block", NODE.block_s),
        (loop, "item", NODE.item_s),
        (blocks, "block", NODE.making_s),
        (blocks, "command", NODE.made_command_s),
        (journal, "block", NODE.commit_s),
        (journal, "command", NODE.record_s),
    ]
    intervals = {
        f"{term} {truth}": (law.interval({term: 1.0}), truth) for law, term, truth in linear
    }
    for kind in KINDS:
        service = found.service("transition", kind.name)
        assert service is not None
        intervals[kind.name] = (interval_of(np.asarray(service.replicates_s)), kind.service_s)
    worker = {"second": 1.0, "command": 900.0, "item": 900 * 3.0, "block": 300.0}
    intervals["worker"] = (found.processes["worker-0"].interval(worker), 900 * NODE.worker_s)
    low, high = np.quantile(found.loop_replicates_s(at_saturation()), [0.025, 0.975])
    intervals["at saturation"] = ((low, high), true_loop_s(NODE, at_saturation()))
    return intervals


def test_known_costs_lie_within_their_intervals() -> None:
    """Intervals of 95 % hold the truth in at least 90 % of 14 figures, 16 times over."""
    within = [
        low <= truth <= high
        for seed in range(16)
        for (low, high), truth in told(calibrated(seed)).values()
    ]
    print(f"{sum(within)} of {len(within)} within")
    assert sum(within) >= 0.9 * len(within)


def test_a_loop_beyond_half_load_is_foretold_within_a_few_percent() -> None:
    truth = true_loop_s(NODE, at_saturation())
    for seed in range(5):
        assert calibrated(seed).loop_s(at_saturation()) == pytest.approx(truth, rel=0.1), seed


COLD = Node(cold_s=240e-6)


def commands_alone(found: Calibration, work: Work) -> float:
    """Return what the transition's own part of ``work`` is told to take."""
    assert found.cold is not None
    alone = sum(count * found.command_s(kind) for kind, count in work.commands.items())
    return alone + found.cold.at({"block": work.blocks, "second": work.seconds})


def test_commands_in_full_blocks_are_foretold_to_cost_less_than_their_mean() -> None:
    work = at_saturation()
    truth = true_loop_s(COLD, work)
    within = 0
    for seed in range(8):
        found = calibrated(seed, COLD)
        assert found.loop_s(work) == pytest.approx(truth, rel=0.1), seed
        low, high = interval_of(found.loop_replicates_s(work))
        within += low <= truth <= high
        by_their_means = msgspec.structs.replace(found, cold=None)
        assert by_their_means.loop_s(work) > 1.15 * truth, seed
    assert within >= 6


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_alone_costs_what_it_does_warm_and_each_block_what_is_cold(kind: Kind) -> None:
    work = msgspec.structs.replace(at_saturation(), commands={kind.name: 3_000.0})
    truth = 3_000 * kind.service_s + work.blocks * COLD.cold_s
    told_s = [commands_alone(calibrated(seed, COLD), work) for seed in range(5)]
    # A kind that takes 20 µs beside 240 of its block is known to some microseconds.
    assert np.mean(told_s) == pytest.approx(truth, rel=0.1, abs=3_000 * 6e-6)


def test_in_the_mean_window_all_commands_take_what_they_took() -> None:
    found = calibrated(4, COLD)
    work = found.measured_work
    means = sum(
        count * law.mean_s
        for kind, count in work.commands.items()
        if (law := found.service("transition", kind)) is not None
    )
    assert commands_alone(found, work) == pytest.approx(means)


def test_without_any_command_nothing_is_cold_to_it() -> None:
    found = calibrated(5, COLD)
    bare = msgspec.structs.replace(
        found, services=(), source=msgspec.structs.replace(found.source, commands=0)
    )
    work = at_saturation()
    assert bare.loop_s(work) > 0
    assert np.isfinite(bare.loop_replicates_s(work)).all()
    assert bare.command_s("place") == 0


def test_a_chain_one_window_late_is_told_exactly() -> None:
    chain = calibrated(1).l1
    assert chain is not None
    assert chain.gas.coefficient("byte") == pytest.approx(NODE.gas_byte)
    assert chain.gas.coefficient("batch") == pytest.approx(NODE.gas_batch)
    assert chain.data_bytes.coefficient("batch") == pytest.approx(NODE.block_bytes, rel=1e-3)
    for kind in KINDS:
        assert chain.data_bytes.coefficient(kind.name) == pytest.approx(kind.bytes, rel=1e-3)
    # The chain's delay was drawn with a mean of a second.
    assert np.mean(chain.inclusion_s) == pytest.approx(1.0, abs=0.4)


def test_the_flow_of_the_windows_is_told() -> None:
    flow = calibrated(2).flow
    assert flow is not None
    assert flow.kinds["bulk"].items_per_command == 20
    assert flow.cancel_ratio == pytest.approx(0.38 / 0.6, rel=0.1)
    assert flow.oracle_interval_s == pytest.approx(1 / (0.02 * np.mean(RATES)), rel=0.2)


def test_only_windows_below_half_load_count() -> None:
    found = calibrated(3, rates=[*RATES, *[2_500.0] * 5, 0.0])
    assert found.source.windows == len(RATES)
    assert found.source.windows_left_out == 6
    assert found.source.load_high <= 0.5
    assert found.loop_s(at_saturation()) == pytest.approx(
        true_loop_s(NODE, at_saturation()), rel=0.1
    )


def test_a_sample_has_the_exact_mean_of_its_histograms() -> None:
    """Its values are the middles of buckets, which alone are up to 1.6 % off."""
    halves = [Histogram(), Histogram()]
    times = np.random.default_rng(4).gamma(16.0, 5_000.0, 2_000).astype(int).tolist()
    for place, time in enumerate(times):
        halves[place % 2].record(time)
    sample = sample_of([HistogramCounts.of(half.snapshot()) for half in halves], 1e-9)
    assert len(sample) == SAMPLE
    assert np.mean(sample) == pytest.approx(np.mean(times) * 1e-9, rel=1e-6)
    assert np.median(sample) == pytest.approx(np.median(times) * 1e-9, rel=0.05)
    assert sample_of([HistogramCounts()], 1e-9) == ()


def test_a_stage_keeps_its_spread() -> None:
    law = calibrated(4).service("verify")
    assert law is not None
    # Sixteen exponential phases: a variation of a quarter.
    assert law.gamma.variation == pytest.approx(0.25, rel=0.15)


def test_the_same_reads_give_the_same_calibration() -> None:
    assert calibrated(5) == calibrated(5)


def test_a_calibration_is_the_same_after_a_file() -> None:
    found = calibrated(6)
    assert decode_calibration(encode_calibration(found)) == found


def test_what_windows_cannot_tell_apart_is_noted() -> None:
    singles = Node(kinds=KINDS[:1])
    found = calibrated(7, singles)
    assert found.loop is not None
    assert "item" not in found.loop.terms
    assert any("item" in note for note in found.source.notes)
    truth = true_loop_s(singles, Work(1.0, 3_000, 60, {"place": 3_000.0}, 3_000))
    work = Work(1.0, 3_000, 60, {"place": 3_000.0}, 3_000)
    assert found.loop_s(work) == pytest.approx(truth, rel=0.1)


def with_refusals(reads: list[Telemetry], stale: int) -> list[Telemetry]:
    """Return ``reads`` with 100 messages more at each, of which ``stale`` and 4 were refused."""
    empty = HistogramCounts()
    return [
        msgspec.structs.replace(
            read,
            stages=(
                *read.stages,
                StageCounters(
                    "ingress", "loop", 1, 100 * place, (96 - stale) * place,
                    {"Shed": 4 * place, "MarkStale": stale * place}, 0, empty, empty,
                ),
            ),
        )
        for place, read in enumerate(reads)
    ]  # fmt: skip


def test_refusals_past_a_tenth_are_noted() -> None:
    reads = reads_of(NODE, [200.0, 500.0] * 6, np.random.default_rng(9))
    few, many = (calibrate(with_refusals(reads, stale)).source.notes for stale in (6, 90))
    assert [note for note in few if "refused" in note] == []
    [note] = [note for note in many if "refused" in note]
    assert note.startswith("refused: 94% of what came, MarkStale before all")


def test_a_spared_core_is_noted_since_no_law_knows_of_it() -> None:
    reads = reads_of(NODE, [200.0, 500.0] * 6, np.random.default_rng(9))
    spared = [
        msgspec.structs.replace(read, limits=msgspec.structs.replace(read.limits, spare_core=True))
        for read in reads
    ]
    assert not [note for note in calibrate(reads).source.notes if "spare_core" in note]
    [note] = [note for note in calibrate(spared).source.notes if "spare_core" in note]
    assert note.endswith("is of shared ones")


def test_what_blocks_share_is_told_only_from_blocks_that_hold_enough() -> None:
    small = calibrated(7)
    assert small.loop is not None
    assert "shared" not in small.loop.terms
    assert any("too few to tell what those of 16 and more share" in n for n in small.source.notes)
    work = Work(1.0, 96.0, 3.0, {}, 0.0)
    # The k-th of a block of 32 pays a k-th part: 4.06 times what the first of it does.
    assert amounts_of(work)["shared"] == pytest.approx(3 * 4.06, rel=0.15)
    assert amounts_of(Work(1.0, 0.0, 0.0, {}, 0.0))["shared"] == 0.0


def test_a_kind_that_was_never_seen_costs_as_the_dearest() -> None:
    found = calibrated(8)
    unseen = Work(0.0, 0.0, 0.0, {"liquidate": 1.0}, 0.0)
    bulk = found.service("transition", "bulk")
    assert bulk is not None
    assert found.loop_s(unseen) == found.loop_s(
        msgspec.structs.replace(unseen, commands={"bulk": 1})
    )
    assert found.loop_replicates_s(unseen).mean() > bulk.mean_s


def test_amounts_that_move_together_are_one() -> None:
    base = np.arange(1.0, 11.0)
    other = np.ones(10)
    amounts = {"message": base, "item": base * 20, "second": other, "sum": base + 2 * other}
    assert told_apart(amounts) == ("message", "second")
    resamples = resamples_of(10, np.random.default_rng(0))
    law = fit_linear(3 * base + 5, amounts, resamples)
    assert law.coefficients == pytest.approx((3, 5))
    assert law.residual == pytest.approx(0, abs=1e-9)


def test_no_cost_is_negative() -> None:
    random = np.random.default_rng(9)
    x, z = random.random(20), random.random(20)
    law = fit_linear(10 * x - 0.5 * z, {"x": x, "z": z}, resamples_of(20, random))
    assert law.coefficient("z") == 0
    assert min(min(row) for row in law.replicates) >= 0


# --- what cannot be used ----------------------------------------------------------------------


def faults_of(work: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(MeasurementInvalid) as raised:
        work()
    return tuple(raised.value.faults)


def test_empty_telemetry_is_refused() -> None:
    (reads, kinds) = faults_of(lambda: calibrate([]))
    assert reads.startswith("reads: 0, 9 … ∞")
    assert kinds.startswith("kinds: no command")


def test_an_idle_node_is_refused() -> None:
    (fault,) = faults_of(lambda: calibrated(1, rates=[0.0] * 12))
    assert fault.startswith("kinds: no command in any of 12 windows")


def test_too_few_quiet_windows_are_refused() -> None:
    (fault,) = faults_of(lambda: calibrated(1, rates=[*[200.0] * 5, *[2_500.0] * 9]))
    assert fault.startswith("windows: 5")
    assert "9 were busier" in fault


def test_a_restart_between_reads_is_refused_with_the_rest() -> None:
    random = np.random.default_rng(1)
    reads = reads_of(NODE, RATES, random)
    # The same age, but counters from zero; and a clock that stands still.
    reads[7] = msgspec.structs.replace(reads[7], kinds=EMPTY.kinds, blocks=EMPTY.blocks)
    reads[20] = msgspec.structs.replace(reads[20], at_ns=reads[19].at_ns)
    found = faults_of(lambda: windows_of(reads, 0.5))
    assert any(fault.startswith("reads[7].blocks.count: -") for fault in found)
    assert any(fault.startswith("reads[20].at_ns: ") for fault in found)


def test_a_young_node_after_an_old_one_is_a_restart() -> None:
    random = np.random.default_rng(2)
    young = msgspec.structs.replace(EMPTY, at_ns=60_000_000_000, window_ns=1)
    reads = [
        *reads_of(NODE, [300.0] * 5, random),
        *reads_of(NODE, [300.0] * 9, random, first=young),
    ]
    (fault,) = faults_of(lambda: windows_of(reads, 0.5))
    assert fault.startswith("reads[6].window_ns: 1, ")


def test_negative_counters_and_a_bad_limit_are_told_at_once() -> None:
    reads = reads_of(NODE, RATES, np.random.default_rng(3))
    reads[0] = msgspec.structs.replace(reads[0], processes={"node": -5, "worker-0": 0})
    found = faults_of(lambda: windows_of(reads, 7.0))
    assert found[0].startswith("load_max: 7.0, 0.01 … 1.0")
    assert found[1].startswith("reads[0].processes.node: -5")


def test_telemetry_that_is_not_telemetry_names_every_key() -> None:
    read = reads_of(NODE, [300.0], np.random.default_rng(4))[-1]
    data = msgspec.json.decode(msgspec.json.encode(read))
    del data["cores"]
    data["loop"]["busy_ns"] = -1
    data["kinds"][0]["commands"] = "many"
    data["stages"][0]["runs_on"] = "magic"
    data["surplus"] = 1
    found = faults_of(lambda: read_telemetry(data))
    keys = {fault.partition(":")[0] for fault in found}
    assert keys == {
        "telemetry.cores",
        "telemetry.loop.busy_ns",
        "telemetry.kinds[0].commands",
        "telemetry.stages[0].runs_on",
        "telemetry.surplus",
    }


@pytest.mark.parametrize(
    "place", ["100000000000", "100000", "-7", str(BUCKETS), "many", "05", "9" * 5_000]
)
def test_a_bucket_that_no_histogram_has_is_refused(place: str) -> None:
    """Taken for a shift it would fill the memory, or fall out of a table."""
    read = reads_of(NODE, [300.0], np.random.default_rng(4))[-1]
    data = msgspec.json.decode(msgspec.json.encode(read))
    data["stages"][0]["service"]["buckets"][place] = 1
    data["l1"]["finality_ms"]["buckets"][place] = 1
    found = faults_of(lambda: read_telemetry(data))
    assert {fault.partition(" ")[0] for fault in found} == {
        f"telemetry.stages[0].service.buckets.{place[:40]}",
        f"telemetry.l1.finality_ms.buckets.{place[:40]}",
    }
    assert all(f"0 … {BUCKETS - 1} allowed" in fault for fault in found)


def test_a_count_beyond_all_floats_is_refused() -> None:
    read = reads_of(NODE, [300.0], np.random.default_rng(4))[-1]
    data = msgspec.json.decode(msgspec.json.encode(read))
    data["kinds"][0]["square_ns2"] = 10**400
    (fault,) = faults_of(lambda: read_telemetry(data))
    assert fault.startswith("telemetry.kinds[0].square_ns2: 1000")


def test_telemetry_passes_through_json() -> None:
    read = reads_of(NODE, [300.0], np.random.default_rng(5))[-1]
    assert read_telemetry(msgspec.json.decode(msgspec.json.encode(read))) == read
    assert isinstance(read, Telemetry)
