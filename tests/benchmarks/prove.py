"""``scripts/prove``: ``plimsoll plan --verify`` again and again, and what held how often.

Each run has a node and a chain of its own. The bar: the error within a tenth, and the measured knee
inside P5–P95, in nine of ten runs. Run it while the machine has nothing else to do; what strangers
took of it stands beside each run.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from node.app.cli.verify_plan import VerifyReport, verify_plan
from node.planner.verification import DELAY_ERROR_MAX, MixVerdict
from node.simulation.ramp.command import RampOptions
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.ramp import WINDOW_S

RUNS: Final = 10
OF_TEN: Final = 0.9


def run_once(mix: Mix, seed: int, window_s: float) -> MixVerdict:
    """Return the verdict of one run."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "verdict.json"
        options = RampOptions(mixes=(mix,), seed=seed, window_s=window_s, json_path=file)
        verify_plan(options, None, Console(quiet=True))
        return msgspec.json.decode(file.read_bytes(), type=VerifyReport).mixes[mix.value]


def row_of(run: int, verdict: MixVerdict) -> Iterator[str]:
    """Yield the cells of one run."""
    predicted = verdict.predicted
    yield f"{verdict.mix} {run}"
    yield f"{predicted.p5:,.0f} … {predicted.p50:,.0f} … {predicted.p95:,.0f}"
    yield f"{verdict.measured:,.0f}"
    yield f"{verdict.error_ratio:+.1%}"
    yield "yes" if verdict.inside else "no"
    yield f"{verdict.bottleneck.predicted} / {verdict.bottleneck.measured}"
    yield ", ".join(
        f"{check.share:.0%} {error:+.0%}"
        for check in verdict.delays
        for error in check.error_ratio.values()
    )
    yield "–" if verdict.strangers is None else f"{verdict.strangers:.0%}"
    same = verdict.error_at_same_speed
    yield "–" if same is None else f"{same:+.1%}"


def summary_of(mix: Mix, verdicts: Sequence[MixVerdict]) -> str:
    """Return how often the predictions of ``mix`` held."""
    runs = len(verdicts)
    right = sum(verdict.is_close for verdict in verdicts)
    inside = sum(verdict.inside for verdict in verdicts)
    both = sum(verdict.holds for verdict in verdicts)
    errors = [error for v in verdicts for check in v.delays for error in check.error_ratio.values()]
    close = sum(abs(error) <= DELAY_ERROR_MAX for error in errors)
    held = "held" if both >= OF_TEN * runs else "DID NOT HOLD"
    return (
        f"{mix.value}: {held}: error within ±10 % in {right} of {runs}, inside P5–P95 in {inside},"
        f" both, from below half load, in {both}; delays within ±25 % in {close} of {len(errors)}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as often as asked, show a row for each run and a line for each mix."""
    parser = argparse.ArgumentParser(prog="prove", description="How often a prediction holds.")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--mix", type=Mix, action="append", choices=list(Mix))
    parser.add_argument("--window", type=float, default=WINDOW_S, help="seconds for each point")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts there")
    chosen = parser.parse_args(arguments)
    console = Console()
    found: dict[str, list[MixVerdict]] = {}
    for mix in chosen.mix or list(Mix):
        table = Table("run", "P5 … P50 … P95", "measured", "error", "inside", "full first")
        table.add_column("delays p50, p99")
        table.add_column("strangers")
        table.add_column("error at one speed")
        for run in range(1, chosen.runs + 1):
            verdict = run_once(mix, run, chosen.window)
            found.setdefault(mix.value, []).append(verdict)
            table.add_row(*row_of(run, verdict))
            console.print(f"{mix.value} {run}: {verdict.error_ratio:+.1%}")
            if chosen.json is not None:
                chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        console.print(table)
        console.print(summary_of(mix, found[mix.value]))


if __name__ == "__main__":
    main()
