"""A replay against a server: what is lost is counted, what is known is taken up again."""

import asyncio
import signal
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from node.simulation.replay.outcomes import ReplayReport
from node.simulation.replay.pace import FASTEST
from node.simulation.replay.run import Load, run_replay
from node.simulation.replay.sources import flow_source, read_flow_config
from tests.examples import RULES
from tests.integration.daemon import SOURCE, WITHIN_S, node_on_chain
from tests.integration.endless import endless_replay
from tests.integration.fake_node import FakeNode

BUNDLED = read_flow_config(SOURCE / "configs" / "flows" / "demo.toml")
BRIEF = msgspec.structs.replace(
    BUNDLED,
    phases=tuple(msgspec.structs.replace(phase, seconds=0.75) for phase in BUNDLED.phases),
)
QUIET = Console(quiet=True)


async def replayed(load: Load) -> ReplayReport:
    return await run_replay(load, lambda rules: flow_source(BRIEF, rules), QUIET)


def assert_conserved(report: ReplayReport, offered: int) -> None:
    assert report.offered == offered
    assert report.offered == report.accepted + report.refused + report.lost


async def test_every_action_of_the_flow_arrives_once_signed_and_in_order() -> None:
    source = flow_source(BRIEF, RULES)
    offered = len(source.opening) + (source.total or 0)
    node = FakeNode()
    async with node.serving() as url:
        report = await replayed(Load(url=url, speed=4.0, connections=3))
    assert_conserved(report, offered)
    assert report.accepted == offered == len(node.actions)
    assert report.oracle_rounds == len(node.rounds) >= 12
    nonces: dict[str, int] = {}
    for action in node.actions:
        assert action["nonce"] == nonces.get(action["account"], 0) + 1
        nonces[action["account"]] = action["nonce"]
    # Three connections for the flow and one for the oracle, each greeted once to learn the domain.
    assert node.connections == 2 * 4


async def test_a_connection_that_breaks_costs_what_was_on_its_way_and_no_more() -> None:
    source = flow_source(BRIEF, RULES)
    offered = len(source.opening) + (source.total or 0)
    node = FakeNode(hang_up_each=60)
    async with node.serving() as url:
        report = await replayed(Load(url=url, speed=1.0))
    assert_conserved(report, offered)
    assert 0 < report.lost < offered
    assert report.accepted > offered // 4, "the connections were not made anew"
    assert node.connections > 2 * 5


async def test_a_flow_without_end_is_stopped_by_a_signal_and_still_tells(tmp_path: Path) -> None:
    node = FakeNode()
    calm, counts = SOURCE / "configs" / "flows" / "calm.toml", tmp_path / "counts.json"
    where = ("--flow", str(calm), "--json", str(counts))
    async with (
        node.serving() as url,
        endless_replay("--node", url, *where) as process,
        asyncio.timeout(WITHIN_S),
    ):
        while len(node.actions) < 50:  # noqa: ASYNC110 - the node does not announce it
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    report = msgspec.json.decode(counts.read_bytes(), type=ReplayReport)
    # The makers' first quotes stand before the clock starts, and count as the rest does.
    assert_conserved(report, len(node.actions))
    assert report.lost == 0


@pytest.mark.lengthy
async def test_a_real_node_takes_the_flow_twice(tmp_path: Path) -> None:
    async with node_on_chain(tmp_path, "devnet") as (daemon, chain):
        first = await replayed(Load(url=daemon.url, rpc=chain.url))
        again = await replayed(Load(url=daemon.url, speed=FASTEST, window=8))
        stats = await daemon.stop()
    for report in (first, again):
        assert_conserved(report, first.offered)
        assert report.lost == 0
        assert report.accepted > report.offered * 0.8
        assert not {"NonceUsed", "NonceTooFar", "BadSignature", "UnknownAccount"} & set(
            report.refusals
        )
        assert report.latency_ms["ack"]["p50"] is not None
    assert stats["conserved"]
    assert stats["orders"] > 0
    actions = first.offered + again.offered + first.oracle_rounds + again.oracle_rounds
    resumed = stats["commands"]["offered"] - actions
    assert 0 <= resumed <= BUNDLED.accounts, "each known account clears its orders at most once"
