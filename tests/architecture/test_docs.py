"""The documents speak of this code: what they name exists, and their tables are the code's own."""

import ast
import re
from collections import Counter

import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from node.app.config import SequencerConfig
from node.batcher.config import BatcherConfig
from node.history.config import HistoryConfig
from node.ingress.config import IngressConfig
from node.publisher.config import PublisherConfig
from node.risk.config import RiskConfig
from node.settlement.config import SettlementConfig
from node.triggers.config import TriggersConfig
from node.types.rules import Limits
from tests.architecture.errors_page import OF_CLIENT, OF_LOAD, OF_NODE, PAGE, errors_of, page
from tests.architecture.sources import TOP, sources_under
from tests.architecture.test_imports import ALLOWED, CORE, STATIONS

DOCUMENTS = sorted(
    path.relative_to(TOP).as_posix()
    for path in (*(TOP / "docs").glob("*.md"), TOP / "README.md", TOP / "CHANGELOG.md")
    if path.exists()
)
ARCHITECTURE = "docs/ARCHITECTURE.md"

# A path of the project; ``<name>`` or ``*`` in one makes it a pattern, which nothing can stand for.
_NAMED_PATH = re.compile(
    r"(?<![\w./-])((?:node|tests|docs|configs|scripts|contracts|\.ci)/[\w./<>*-]*[\w>*/])"
)
_PATTERN_SIGNS = frozenset("<>*")
_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")

# Made by the tools of contracts/, never committed.
MADE_BY_TOOLS = ("contracts/node_modules",)

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "batcher": BatcherConfig,
    "history": HistoryConfig,
    "http": HttpConfig,
    "ingress": IngressConfig,
    "limits": Limits,
    "publisher": PublisherConfig,
    "risk": RiskConfig,
    "sequencer": SequencerConfig,
    "settlement": SettlementConfig,
    "triggers": TriggersConfig,
}
_DEFAULT = re.compile(r"^\| `(\w+)\.(\w+)` \| ([\d,.]+) \|", re.MULTILINE)

_ROW = re.compile(r"^ {0,2}(?:L\d|  ) {2,}(\w[\w.]*) +▷ (.+)$", re.MULTILINE)
_GROUPS = {"the stations": STATIONS, "the core": CORE, "nothing": ()}


_TEST = re.compile(r"`(test_\w+)`")
_TESTS_OF_A_FILE = re.compile(r"((?:`test_\w+`(?:, )?)+) \((tests/[\w/]+\.py)\)")

_EXAMPLE = re.compile(r"^```python\n# (\S+)\n(.+?)^```$", re.MULTILINE | re.DOTALL)


def text_of(document: str) -> str:
    return (TOP / document).read_text(encoding="utf-8")


def named_paths(text: str) -> set[str]:
    """Return the paths of the project that ``text`` names."""
    found = {match.rstrip("/") for match in _NAMED_PATH.findall(text)}
    return {path for path in found if not _PATTERN_SIGNS & set(path)}


def import_rows(text: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of the picture of imports, its two groups written out."""
    rows = {}
    for row, targets in _ROW.findall(text):
        written = [part.strip() for part in targets.split(",")]
        rows[row] = tuple(name for part in written for name in _GROUPS.get(part, (part,)))
    return rows


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_named_exists(document: str) -> None:
    named = named_paths(text_of(document))
    missing = sorted(
        path for path in named if not path.startswith(MADE_BY_TOOLS) and not (TOP / path).exists()
    )
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    folder = (TOP / document).parent
    dead = [link for link in _LINK.findall(text_of(document)) if not (folder / link).exists()]
    assert dead == []


def test_a_missing_path_is_found() -> None:
    text = "See `node/types/errors.py` and node/types/mistakes.py, not `tests/vectors/<command>/`."
    assert named_paths(text) == {"node/types/errors.py", "node/types/mistakes.py"}


def functions_of(path: str) -> set[str]:
    """Return the names of the functions that the file at ``path`` holds."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(text_of(path))) if isinstance(node, kinds)}


def missing_tests(text: str) -> list[str]:
    """Return the tests that ``text`` names, in parentheses behind them their file, and has not.

    One without a file behind it is missing as well.
    """
    placed = _TESTS_OF_A_FILE.findall(text)
    held = {(name, path) for names, path in placed for name in _TEST.findall(names)}
    named = set(_TEST.findall(text))
    nowhere = named - {name for name, _ in held}
    return sorted([name for name, path in held if name not in functions_of(path)] + [*nowhere])


def test_every_test_that_is_proof_stands_in_the_file_that_is_named() -> None:
    text = text_of("docs/PROOF.md")
    assert len(_TESTS_OF_A_FILE.findall(text)) > 20
    assert missing_tests(text) == []


def test_a_test_in_another_file_is_found() -> None:
    here = "tests/architecture/test_docs.py"
    name = "test_every_path_that_is_named_exists"
    assert missing_tests(f"`{name}`, `test_no_two_errors_share_a_code` ({here})") == []
    assert missing_tests(f"`{name}` ({here}), `test_a_stranger` ({here})") == ["test_a_stranger"]
    assert missing_tests(f"`{name}` (tests/architecture/test_shape.py)") == [name]
    assert missing_tests(f"`{name}`: it is") == [name]


def test_examples_stand_in_the_code() -> None:
    examples = _EXAMPLE.findall(text_of("docs/CONTRIBUTING.md"))
    assert examples
    strangers = [path for path, example in examples if example not in text_of(path)]
    assert strangers == []


def test_the_picture_of_imports_is_the_table() -> None:
    assert import_rows(text_of(ARCHITECTURE)) == ALLOWED


def test_a_wrong_arrow_is_found() -> None:
    assert import_rows(" L0  types ▷ matching")["types"] != ALLOWED["types"]


def test_the_error_page_is_that_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m tests.architecture.errors_page"
    )


def test_no_two_errors_share_a_code() -> None:
    modules = (*OF_NODE, *OF_CLIENT, *OF_LOAD)
    codes = Counter(kind.code for module in modules for kind in errors_of(module))
    assert [code for code, uses in codes.items() if uses > 1] == []


def test_every_error_stands_on_the_page() -> None:
    named = {module.__name__ for module in (*OF_NODE, *OF_CLIENT, *OF_LOAD)}
    coded = {
        source.module
        for source in sources_under("node")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code"
    }
    assert coded == named


def test_the_defaults_that_are_named_are_those_of_the_code() -> None:
    named = _DEFAULT.findall(text_of(ARCHITECTURE))
    assert len(named) > 20
    wrong = [
        (section, key, told)
        for section, key, told in named
        if getattr(SECTIONS[section](), key) != float(told.replace(",", ""))
    ]
    assert wrong == []
