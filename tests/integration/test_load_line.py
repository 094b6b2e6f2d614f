"""The load line of a whole node under load: what it says of itself agrees with what was sent."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.capacity.loadline import Knee, KneeRange, LoadLine
from node.capacity.telemetry import Telemetry
from tests.architecture.test_compose import dashboards, unknown_metrics
from tests.integration.daemon import Daemon, node_on_chain, swift, until
from tests.integration.load import Load, load_on

KNEE = Knee(KneeRange(p5=900.0, p50=1_000.0, p95=1_100.0), measured_per_s=990.0, at_ms=7)

SHORT_BLOCKS = {"block_ms_max": 1.5}
"""A hundred of them are shorter than the longest auction of the rules."""

ON_THE_LOOP = {"ingress", "transition", "publisher", "risk"}


async def load_of(daemon: Daemon) -> LoadLine:
    return msgspec.convert(await daemon.get("/load"), LoadLine)


async def telemetry_of(daemon: Daemon) -> Telemetry:
    return msgspec.convert(await daemon.get("/telemetry"), Telemetry, strict=False)


async def test_a_node_under_load_tells_its_line(tmp_path: Path) -> None:
    async with (
        node_on_chain(tmp_path, "py-evm", swift(sequencer=SHORT_BLOCKS)) as (daemon, _),
        load_on(daemon.url, daemon.rpc) as load,
    ):
        warned = daemon.logged("command_may_be_long")
        assert [(said["kind"], said["lower"]) for said in warned] == [
            ("uncross", "limits.orders_per_auction")
        ]
        before = await telemetry_of(daemon)
        heard, quotes = list[dict[str, Any]](), list[dict[str, Any]]()
        await load.session.subscribe("load", heard.append)
        await load.session.subscribe("fee", quotes.append)
        await load.session.request("ping", {})
        # At once, and not only with the next half second.
        assert heard
        assert quotes
        async with load.running():
            await load.until_acknowledged(120)
        gained = (await telemetry_of(daemon)).since(before)
        check_counters(gained, load)
        await daemon.until_posted(1)
        await until("the line names a bottleneck", lambda: named(daemon))
        check_line(await load_of(daemon))
        await until("the channel speaks twice", lambda: spoken(heard))
        assert msgspec.convert(heard[-1], LoadLine).stages
        await check_knee(daemon)
        await until("metrics tell what the line tells", lambda: agree(daemon))


async def agree(daemon: Daemon) -> bool:
    """Return whether the line and the metrics, asked for at once, have the same headroom."""
    line, metrics = await load_of(daemon), await daemon.text("/metrics")
    told = {
        sample.labels["stage"]: sample.value
        for family in text_string_to_metric_families(metrics)
        if family.name == "plimsoll_capacity_headroom_ratio"
        for sample in family.samples
    }
    known = {stage.name: stage.headroom for stage in line.stages if stage.headroom is not None}
    assert {"ingress", "lane_taking", "settlement"} <= known.keys()
    return told == pytest.approx(known)


async def spoken(heard: list[dict[str, Any]]) -> bool:
    return len(heard) >= 2


async def named(daemon: Daemon) -> bool:
    line = await load_of(daemon)
    return line.next_bottleneck is not None and line.conserved


def check_counters(gained: Telemetry, load: Load) -> None:
    kinds = {kind.kind: kind for kind in gained.kinds}
    placed = sum(kinds[name].commands for name in ("place", "bulk", "cancel"))
    # Those that traders were told of, rejected ones too, and what was in the journal first.
    assert placed >= 90
    assert kinds["oracle_round"].commands >= 1
    for kind in gained.kinds:
        assert kind.items >= kind.commands
        # The mean of squares is never below the square of the mean.
        assert kind.square_ns2 * kind.commands >= kind.total_ns**2
    assert gained.blocks.count == gained.journal.appends >= 1
    assert gained.journal.bytes > 100 * gained.journal.appends
    assert 0 < gained.loop.busy_ns <= gained.loop.elapsed_ns
    assert 0 <= gained.loop.waited_ns <= gained.loop.elapsed_ns
    assert {"node", "verification_0", "replica"} <= set(gained.processes)
    assert gained.processes["node"] >= gained.loop.busy_ns // 2
    assert gained.messages.incoming >= 120 - load.refused
    assert sum(kind.total_ns for kind in gained.kinds) < gained.loop.elapsed_ns


def check_line(line: LoadLine) -> None:
    assert line.bottleneck is not None
    assert line.next_bottleneck is not None
    assert line.bottleneck.limit_per_s <= line.next_bottleneck.limit_per_s
    by_name = {stage.name: stage for stage in line.stages}
    assert {stage.name for stage in line.stages if stage.runs_on == "loop"} >= ON_THE_LOOP
    assert by_name["verification"].runs_on == "pool"
    for name, stage in by_name.items():
        known = name in {"batcher", "batch_outbox", "settlement"}
        assert (stage.backlog.bytes is not None) == known
        assert stage.backlog.items == 0 or stage.backlog.bytes != 0
    assert line.lanes[0].name == "system"
    kinds = {kind.kind: kind for kind in line.kinds}
    assert kinds["uncross"].units > kinds["place"].units > 1
    assert kinds["uncross"].longest_ms is None
    assert kinds["place"].mean_us is not None
    assert kinds["place"].longest_ms is not None
    assert 0 < kinds["place"].mean_us <= 1_000 * kinds["place"].longest_ms
    assert line.batches is not None
    assert line.batches.posted <= line.batches.sealed
    assert line.marks is not None
    assert line.marks.oldest_age_s is not None
    assert line.marks.buffer_ppm
    assert all(0 < buffer <= 25_000 for buffer in line.marks.buffer_ppm.values())
    assert line.risk is not None
    assert line.knee == Knee()


async def check_knee(daemon: Daemon) -> None:
    """What a ramp leaves in the data folder is shown by the line and by the metrics.

    The metrics hold all that the dashboards ask for.
    """
    data = daemon.folder / "data"
    (data / "knee.json").write_bytes(msgspec.json.encode(KNEE))

    async def shown() -> bool:
        return (await load_of(daemon)).knee == KNEE

    await until("the knee is shown", shown)
    metrics = await daemon.text("/metrics")
    for sample in (
        'plimsoll_capacity_predicted_items_per_second{quantile="0.5"} 1000.0',
        'plimsoll_capacity_knee_items_per_second{source="ramp"} 990.0',
        "plimsoll_bottleneck_info{resource=",
        'plimsoll_transition_commands_total{kind="place"}',
        'plimsoll_processor_seconds_total{process="replica"}',
        'plimsoll_gc_pause_seconds_total{generation="2"}',
        'plimsoll_gc_pause_longest_seconds{generation="0"}',
    ):
        assert sample in metrics
    families = [line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")]
    assert sorted(families) == sorted(set(families)), "two metrics have one name"
    assert dashboards()
    for dashboard in dashboards():
        assert unknown_metrics(dashboard, metrics) == []
