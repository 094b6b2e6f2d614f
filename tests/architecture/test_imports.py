"""The picture of docs/ARCHITECTURE.md, executable: who may import whom.

An arrow of imports only ever points down. Stations never import each other: they meet through
bounded queues that ``app`` wires.
"""

import pytest

from tests.architecture.sources import Source, sources_under

CORE = ("transition", "matching", "margin", "codec", "capacity", "ports", "types")
STATIONS = (
    "ingress",
    "sequencer",
    "publisher",
    "risk",
    "triggers",
    "batcher",
    "settlement",
    "history",
    "verifier",
)

# From the top down: each row names what it may import of this project, itself apart. A row never
# names one that stands above it, nor a neighbour in its layer, but for the simulation's client.
ALLOWED: dict[str, tuple[str, ...]] = {
    # The door. The command line opens every layer, so no layer may import it.
    "__main__": ("app.cli",),
    "app.cli": ("simulation", "planner", "client", "app", *STATIONS, "adapters", *CORE),
    # L5
    "simulation": ("client", "app", *STATIONS, "adapters", *CORE),
    "planner": CORE,
    "client": ("codec", "capacity", "ports", "types"),
    # L4
    "app": (*STATIONS, "adapters", *CORE),
    # L3
    "ingress": CORE,
    "sequencer": CORE,
    "publisher": CORE,
    "risk": CORE,
    "triggers": CORE,
    "batcher": CORE,
    "settlement": CORE,
    "history": CORE,
    "verifier": CORE,
    "adapters": CORE,
    # L2, pure
    "transition": ("matching", "margin", "codec", "types"),
    # L1, pure
    "matching": ("types",),
    "margin": ("types",),
    "codec": ("types",),
    "capacity": ("types",),
    "ports": ("types",),
    # L0, pure
    "types": (),
}


def row_of(dotted: str) -> str | None:
    """Return the row that a dotted name under ``node`` belongs to; the longest that fits."""
    inner = dotted.removeprefix("node.")
    fitting = [row for row in ALLOWED if inner == row or inner.startswith(f"{row}.")]
    return max(fitting, key=len, default=None)


def forbidden_imports(source: Source) -> list[str]:
    """Return one line for each import of ``source`` that the table does not allow."""
    own_row = row_of(source.module)
    faults = []
    for line, target in source.imports:
        place = f"{source.path}:{line}"
        if target.startswith("."):
            faults.append(f"{place} imports relatively; write the absolute name")
        elif target.split(".")[0] == "tests" and source.path.startswith("node/"):
            faults.append(f"{place} imports {target}; the package does not know its tests")
        elif target.startswith("node.") and target != "node.__version__":
            row = row_of(target)
            if row is None:
                faults.append(f"{place} imports {target}, which has no row in the table")
            elif own_row is not None and row != own_row and row not in ALLOWED[own_row]:
                faults.append(f"{place} ({own_row}) imports {target} ({row})")
    return faults


def test_every_module_has_a_row_in_the_table() -> None:
    homeless = [
        source.path
        for source in sources_under("node")
        if source.module != "node" and row_of(source.module) is None
    ]
    assert homeless == []


def test_no_import_leaves_the_table() -> None:
    assert sources_under("node"), "the package was not found"
    faults = [fault for source in sources_under("node") for fault in forbidden_imports(source)]
    assert faults == [], "\n".join(faults)


def test_every_arrow_of_the_table_points_down() -> None:
    rows = list(ALLOWED)
    upward = [
        (row, target)
        for row, targets in ALLOWED.items()
        for target in targets
        if rows.index(target) <= rows.index(row)
    ]
    assert upward == []


def test_stations_stand_side_by_side() -> None:
    for station in (*STATIONS, "adapters"):
        assert not set(ALLOWED[station]) & {*STATIONS, "adapters", "app"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("node/types/units.py", "from node.matching.book import Book"),
        ("node/matching/book.py", "import node.margin.position"),
        ("node/transition/apply.py", "from node.ports import clock"),
        ("node/risk/service.py", "from node.sequencer.lanes import Lane"),
        ("node/ingress/service.py", "from node.adapters.http import Server"),
        ("node/app/wiring.py", "from node.app.cli import main"),
        ("node/app/wiring.py", "from node.app import cli"),
        ("node/app/wiring.py", "from node.client.session import Session"),
        ("node/codec/batch.py", "from .wire import put"),
        ("node/codec/batch.py", "from node.unheard.of import anything"),
        ("node/codec/batch.py", "from node import transition"),
        ("node/codec/batch.py", "from tests.examples import ALICE"),
        ("node/margin/fill.py", "def late():\n    from node.transition import state"),
    ],
)
def test_a_forbidden_import_is_found(path: str, text: str) -> None:
    assert len(forbidden_imports(Source.parse(path, text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("node/matching/book.py", "from node.types.units import Lots"),
        ("node/matching/book.py", "from node.matching.match import propose"),
        ("node/transition/apply.py", "from node.margin import fill"),
        ("node/app/cli.py", "from node.simulation.demo import run"),
        ("node/app/cli.py", "from node import __version__"),
        ("node/app/cli/verify.py", "from node.verifier.service import verify"),
        ("node/__main__.py", "from node.app.cli import main"),
    ],
)
def test_an_allowed_import_passes(path: str, text: str) -> None:
    assert forbidden_imports(Source.parse(path, text)) == []
