"""The project's Python files, parsed once for all the architecture tests."""

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """One Python file: where it stands, what it says, and what that means."""

    path: str
    """Relative to the top of the project, with forward slashes."""
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, text: str) -> "Source":
        """Build a source from its text; the bad examples of the tests are made so."""
        return cls(path=path, text=text, tree=ast.parse(text, filename=path))

    @property
    def module(self) -> str:
        """The dotted name under which the file is imported."""
        parts = self.path.removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def imports(self) -> Iterator[tuple[int, str]]:
        """Every import as (line, dotted target); ``from a import b`` counts as ``a.b``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    yield node.lineno, name.name
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                for name in node.names:
                    yield node.lineno, f"{base}.{name.name}"


@cache
def sources_under(folder: str) -> tuple[Source, ...]:
    """Return every Python file under ``folder``, in the order of their paths."""
    found = tuple(
        Source.parse(path.relative_to(TOP).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((TOP / folder).rglob("*.py"))
    )
    # Millions of nodes, kept for the run: each full collection of a later test would visit them.
    gc.freeze()
    return found
