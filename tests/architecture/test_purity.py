"""The core is pure and integer: it reads no clock, no randomness, no environment, no float.

What the core may import is a list of what is known to be pure, not of what is known to be harmful:
a library that nobody thought of is refused too.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Source, sources_under
from tests.architecture.test_imports import CORE

PURE_MODULES = frozenset(
    {
        "__future__",
        "abc",
        "array",
        "bisect",
        "collections",
        "contextlib",
        "dataclasses",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "ipaddress",
        "itertools",
        "math",
        "operator",
        "re",
        "struct",
        "types",
        "typing",
        "zlib",
        # Libraries. Signatures by coincurve are deterministic (RFC 6979), recovery is a function.
        "coincurve",
        "eth_abi",
        "msgspec",
        "sha3",
        "sortedcontainers",
    }
)

INTEGER_MATH = frozenset({"comb", "gcd", "isqrt", "lcm", "perm", "prod"})

# What reads or writes the world, or differs from one process to the next.
IMPURE_CALLS = frozenset({"eval", "exec", "hash", "id", "input", "open", "print"})

# Ratios and quantiles for a person to read; nothing that decides reads them back.
MAY_USE_FLOATS = frozenset(
    {
        "node/capacity/lines.py",
        "node/capacity/loadline.py",
        "node/capacity/report.py",
    }
)


def impure_imports(source: Source) -> Iterator[str]:
    """Yield a line for each import from outside the project that is not known to be pure."""
    for line, target in source.imports:
        root, _, name = target.partition(".")
        if root == "node":
            continue
        if root not in PURE_MODULES:
            yield f"{source.path}:{line} imports {target}"
        elif root == "math" and name and name not in INTEGER_MATH and not may_use_floats(source):
            yield f"{source.path}:{line} imports {target}, which is not integer"


def may_use_floats(source: Source) -> bool:
    """Return whether the file stands on the short list of those that compute for display."""
    return source.path in MAY_USE_FLOATS


def float_use(node: ast.AST) -> str | None:
    """Return what makes ``node`` a use of floating point, or nothing."""
    match node:
        case ast.Constant(value=float() | complex() as number):
            return f"holds the literal {number}"
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            return "divides with /; name the rounding and use //"
        case ast.Name(id="float" | "complex"):
            return f"names {node.id}"
        case ast.Attribute(value=ast.Name(id="math"), attr=name) if name not in INTEGER_MATH:
            return f"uses math.{name}"
        case _:
            return None


def impure_call(node: ast.AST) -> str | None:
    """Return which call makes ``node`` impure, or nothing."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
            return f"calls {name}"
        case ast.Call(func=ast.Name(id="PrivateKey"), args=[], keywords=[]):
            return "draws a random key"
        case _:
            return None


def impurities(source: Source) -> list[str]:
    """Return one line for each place where ``source`` leaves the pure integer core."""
    faults = list(impure_imports(source))
    for node in ast.walk(source.tree):
        reason = impure_call(node)
        if reason is None and not may_use_floats(source):
            reason = float_use(node)
        if reason is not None:
            faults.append(f"{source.path}:{getattr(node, 'lineno', 0)} {reason}")
    return faults


@pytest.mark.parametrize("package", CORE)
def test_the_core_is_pure(package: str) -> None:
    faults = [fault for source in sources_under(f"node/{package}") for fault in impurities(source)]
    assert faults == [], "\n".join(faults)


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio",
        "import time",
        "import random",
        "import logging",
        "import os",
        "from os import path",
        "import aiohttp",
        "import web3",
        "import threading",
        "import socket",
        "import datetime",
        "import secrets",
        "import structlog",
        "import numpy",
        "def late():\n    import time",
        "from math import sqrt",
        "import math\nmath.floor(1)",
        "RATE = 0.5",
        "RATE = 1e6",
        "half = 3 / 2",
        "total = 3\ntotal /= 2",
        "ratio = float(3)",
        "def ratio(value: float) -> None: ...",
        "print(1)",
        "key = hash(b'')",
        "text = open('/dev/null')",
        "key = PrivateKey()",
    ],
)
def test_an_impurity_is_found(text: str) -> None:
    assert len(impurities(Source.parse("node/margin/example.py", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import msgspec",
        "from math import isqrt",
        "from collections.abc import Iterator",
        "half = 3 // 2",
        "order.id = 7",
    ],
)
def test_pure_code_passes(text: str) -> None:
    assert impurities(Source.parse("node/margin/example.py", text)) == []


def test_the_report_may_show_ratios_but_reads_no_clock() -> None:
    assert impurities(Source.parse("node/capacity/report.py", "share = 1 / 2.0")) == []
    assert len(impurities(Source.parse("node/capacity/report.py", "import time"))) == 1
