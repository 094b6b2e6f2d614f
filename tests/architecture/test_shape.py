"""Files are read in one sitting, names say what a thing is, and tests stand where one looks."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Source, sources_under

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
REASON = re.compile(r"^(?P<indent>\s*)# Longer than the limit because \S+")

# Names that say nothing of what a thing is.
EMPTY_NAMES = re.compile(r"(^|_)(utils?|managers?|helpers?|misc|common)($|_)")
EMPTY_CLASS_NAMES = re.compile(r"(Utils?|Manager|Helper)$")

TEST_FOLDERS = frozenset(
    {"architecture", "benchmarks", "integration", "property", "simulation", "unit", "vectors"}
)


def checked_sources() -> Iterator[Source]:
    """Yield every Python file that a person reads."""
    for folder in ("node", "tests", "scripts"):
        yield from sources_under(folder)


def gives_reason(lines: list[str], *, indented: bool) -> bool:
    """Return whether a line says why the limit does not hold; a module's stands at the margin."""
    found = (REASON.match(line) for line in lines)
    return any(match and bool(match["indent"]) == indented for match in found)


def too_long(source: Source) -> list[str]:
    """Return one line for the module and for each function past its limit without a reason."""
    lines = source.text.splitlines()
    faults = []
    if len(lines) > MODULE_LINES_MAX and not gives_reason(lines, indented=False):
        faults.append(f"{source.path} has {len(lines)} lines")
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = lines[node.lineno - 1 : node.end_lineno]
        if len(body) > FUNCTION_LINES_MAX and not gives_reason(body, indented=True):
            faults.append(f"{source.path}:{node.lineno} {node.name} has {len(body)} lines")
    return faults


def empty_names(source: Source) -> list[str]:
    """Return one line for each part of the path and each class whose name says nothing."""
    parts = source.path.removesuffix(".py").split("/")
    classes = (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef))
    return [
        *(f"{source.path}: {part}" for part in parts if EMPTY_NAMES.search(part)),
        *(
            f"{source.path}:{node.lineno} {node.name}"
            for node in classes
            if EMPTY_CLASS_NAMES.search(node.name)
        ),
    ]


def misplaced_test(path: str, packages: set[str]) -> str | None:
    """Return what is wrong with the place of a test file, if anything.

    ``tests/unit/matching/test_book.py`` is looked for by the reader of ``node/matching/book.py``,
    so each folder under ``tests/unit`` is a folder of ``node``.
    """
    folder = path.split("/")[1:-1]
    if not folder:
        return None if path in {"tests/conftest.py", "tests/examples.py"} else f"{path}: no folder"
    if folder[0] not in TEST_FOLDERS:
        return f"{path}: {folder[0]} is not one of {sorted(TEST_FOLDERS)}"
    inner = "/".join(folder[1:])
    if folder[0] == "unit" and inner not in packages:
        return f"{path}: node/{inner} does not exist"
    return None


def packages_of_node() -> set[str]:
    """Return the folders under ``node`` that hold Python files; the top counts as ''."""
    parents = {source.path.rpartition("/")[0] for source in sources_under("node")}
    return {parent.removeprefix("node").removeprefix("/") for parent in parents}


def test_everything_is_read_in_one_sitting() -> None:
    faults = [fault for source in checked_sources() for fault in too_long(source)]
    assert faults == [], "\n".join(faults)


def test_names_say_something() -> None:
    faults = [fault for source in checked_sources() for fault in empty_names(source)]
    assert faults == [], "\n".join(faults)


def test_unit_tests_mirror_the_package() -> None:
    packages = packages_of_node()
    faults = [
        fault
        for source in sources_under("tests")
        if (fault := misplaced_test(source.path, packages)) is not None
    ]
    assert faults == [], "\n".join(faults)


LONG_MODULE = "x = 1\n" * (MODULE_LINES_MAX + 1)
LONG_FUNCTION = "def long():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
LONG_METHOD = "class C:\n    async def long(self):\n" + "        x = 1\n" * FUNCTION_LINES_MAX


@pytest.mark.parametrize("text", [LONG_MODULE, LONG_FUNCTION, LONG_METHOD])
def test_a_long_text_is_found(text: str) -> None:
    assert len(too_long(Source.parse("node/codec/example.py", text))) == 1


def test_a_reason_lifts_its_own_limit_only() -> None:
    at_margin = "# Longer than the limit because a table is read whole.\n"
    inside = LONG_FUNCTION.replace("\n", f"\n    {at_margin}", 1)
    assert too_long(Source.parse("node/codec/example.py", at_margin + LONG_MODULE)) == []
    assert too_long(Source.parse("node/codec/example.py", inside)) == []
    assert len(too_long(Source.parse("node/codec/example.py", at_margin + LONG_FUNCTION))) == 1
    assert len(too_long(Source.parse("node/codec/example.py", LONG_MODULE + inside))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("node/codec/utils.py", ""),
        ("node/codec/batch_helpers.py", ""),
        ("node/manager/batch.py", ""),
        ("node/codec/batch.py", "class BatchManager: ..."),
        ("node/codec/batch.py", "class CodecHelper: ..."),
    ],
)
def test_an_empty_name_is_found(path: str, text: str) -> None:
    assert len(empty_names(Source.parse(path, text))) == 1


@pytest.mark.parametrize(
    "path",
    ["tests/test_book.py", "tests/misc/test_book.py", "tests/unit/machine/test_book.py"],
)
def test_a_misplaced_test_is_found(path: str) -> None:
    assert misplaced_test(path, {"", "matching"}) is not None


@pytest.mark.parametrize(
    "path",
    ["tests/examples.py", "tests/unit/matching/test_book.py", "tests/property/test_book.py"],
)
def test_a_test_in_its_place_passes(path: str) -> None:
    assert misplaced_test(path, {"", "matching"}) is None
