"""Concurrency has a shape: tasks belong to groups, and a cancellation always arrives.

So no task dies or lives on unnoticed. What has a limit in time has it from ``asyncio.timeout``: in
CPython 3.11 ``wait_for`` drops a cancellation that comes as soon as what it waits for has ended.
"""

import ast

import pytest

from tests.architecture.sources import Source, sources_under

LOOSE_CALLS = frozenset({"create_task", "ensure_future"})


def last_name(node: ast.AST | None) -> str | None:
    """Return the last part of a dotted name: ``self._group`` gives ``_group``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Constant(value=str(text)):
            return text.rpartition(".")[2]
        case _:
            return None


def group_names(tree: ast.Module) -> set[str]:
    """Return the names that hold a TaskGroup: opened with it, annotated as it, or assigned it."""
    names: set[str | None] = set()
    for node in ast.walk(tree):
        match node:
            case ast.withitem(context_expr=ast.Call(func=call), optional_vars=target):
                if last_name(call) == "TaskGroup":
                    names.add(last_name(target))
            case ast.arg(arg=name, annotation=annotation):
                if last_name(annotation) == "TaskGroup":
                    names.add(name)
            case ast.AnnAssign(target=target, annotation=annotation):
                if last_name(annotation) == "TaskGroup":
                    names.add(last_name(target))
            case _:
                pass
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and last_name(node.value) in names:
            names.update(last_name(target) for target in node.targets)
    return {name for name in names if name is not None}


def loose_tasks(source: Source) -> list[str]:
    """Return one line for each task that ``source`` starts outside a TaskGroup."""
    groups = group_names(source.tree)
    faults = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or last_name(node.func) not in LOOSE_CALLS:
            continue
        in_group = isinstance(node.func, ast.Attribute) and last_name(node.func.value) in groups
        if not in_group:
            faults.append(f"{source.path}:{node.lineno} starts a task that no TaskGroup awaits")
    return faults


def test_no_task_is_loose() -> None:
    faults = [fault for source in sources_under("node") for fault in loose_tasks(source)]
    assert faults == [], "\n".join(faults)


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio\nasyncio.create_task(work())",
        "from asyncio import create_task\ncreate_task(work())",
        "import asyncio\nasyncio.ensure_future(work())",
        "loop.create_task(work())",
        "def start(group: Session) -> None:\n    group.create_task(work())",
    ],
)
def test_a_loose_task_is_found(text: str) -> None:
    assert len(loose_tasks(Source.parse("node/risk/example.py", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        """
async def run():
    async with asyncio.TaskGroup() as group:
        group.create_task(work())
""",
        """
def start(group: asyncio.TaskGroup) -> None:
    group.create_task(work())
""",
        """
class Service:
    def __init__(self, group: TaskGroup) -> None:
        self._tasks = group
    def start(self) -> None:
        self._tasks.create_task(work())
""",
    ],
)
def test_a_task_of_a_group_passes(text: str) -> None:
    assert loose_tasks(Source.parse("node/risk/example.py", text)) == []


def dropped_cancellations(source: Source) -> list[str]:
    """Return one line for each call of asyncio's ``wait_for`` in ``source``."""
    return [
        f"{source.path}:{node.lineno} waits with wait_for, not with asyncio.timeout"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and last_name(node.func) == "wait_for"
    ]


def test_no_cancellation_is_dropped() -> None:
    faults = [line for source in sources_under("node") for line in dropped_cancellations(source)]
    assert faults == [], "\n".join(faults)


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio\nasyncio.wait_for(work(), 1)",
        "from asyncio import wait_for\nwait_for(work(), timeout=1)",
    ],
)
def test_a_dropped_cancellation_is_found(text: str) -> None:
    assert len(dropped_cancellations(Source.parse("node/risk/example.py", text))) == 1
