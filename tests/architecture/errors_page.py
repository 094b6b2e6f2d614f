"""docs/ERRORS.md, made from the error classes themselves.

``python -m tests.architecture.errors_page`` writes the page anew after a change of an error.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from node.client import errors as client_errors
from node.client import local_book, trader
from node.simulation.demo import child as demo_child
from node.simulation.ramp import child as ramp_child
from node.simulation.ramp import command as ramp_command
from node.simulation.ramp import socket_link
from node.simulation.replay import funding
from node.types import errors
from node.types.errors import PlimsollError
from tests.architecture.sources import TOP

PAGE: Path = TOP / "docs" / "ERRORS.md"

_HEAD = """\
# Error codes

Made from the error classes by `python -m tests.architecture.errors_page`; a test compares. Codes
are stable: clients match on them, never on a text. An error body is

```json
{"error": {"code": 1206, "name": "PostOnlyWouldCross", "values": {"price": "61", "best": "60.5"}}}
```

with the values that the meaning below names: prices, sizes, amounts and rates as decimal strings,
markets as symbols, times in milliseconds, counts and ids as integers, bytes as hex. Of an action
that cannot even be read, `low` and `high` (1005) bound the integer that a decimal stands for, and
an oracle round is refused (1403) with its `prices` in ticks.

| Codes | Whose fault, and what to do | HTTP status |
|---|---|---|
| 1xxx | The sender's. Deterministic: nothing changed. \
| 400 (1001: also 405, 408; 1004: 413, 1113: 403, 1114: 421) |
| 2xxx | Nobody's. Nothing was taken on; try again later. After 2012, 2110 and 2111 look first: \
it may be done. \
| 503 (2000: also 500, a fault of ours; 2006: 429, 2007: 404) |
| 3xxx | Ours, or our disk's. The node stops before it does harm. | 500 |
| 4xxx | The operator's. The node does not start as it is configured. | 500 |
"""

_CLIENT_HEAD = """\
## Of the Python client

Raised by `node/client` itself; no server sends them.
"""

_LOAD_HEAD = """\
## Of the programs that load a node

Raised by `demo`, `replay`, `ramp` and `plan --verify`; no server sends them either.
"""

OF_NODE = (errors,)
OF_CLIENT = (client_errors, local_book, trader)
OF_LOAD = (demo_child, funding, ramp_child, ramp_command, socket_link)

_TABLE_HEAD = "| Code | Name | Meaning |\n|---|---|---|\n"


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            _HEAD,
            "## Of the node\n\n`node/types/errors.py`\n",
            _TABLE_HEAD + "\n".join(rows(*OF_NODE)) + "\n",
            _CLIENT_HEAD,
            _TABLE_HEAD + "\n".join(rows(*OF_CLIENT)) + "\n",
            _LOAD_HEAD,
            _TABLE_HEAD + "\n".join(rows(*OF_LOAD)) + "\n",
        ]
    )


def rows(*modules: ModuleType) -> list[str]:
    """Return a row for each error that ``modules`` define, by code; the root of all has none."""
    kinds = sorted(
        (kind for module in modules for kind in errors_of(module)), key=lambda kind: kind.code
    )
    return [f"| {kind.code} | {kind.__name__} | {meaning(kind)} |" for kind in kinds]


def errors_of(module: ModuleType) -> Iterator[type[PlimsollError]]:
    """Yield the error classes that stand in ``module``, but for the root of the tree."""
    for kind in vars(module).values():
        if (
            inspect.isclass(kind)
            and issubclass(kind, PlimsollError)
            and kind is not PlimsollError
            and kind.__module__ == module.__name__
        ):
            yield kind


def meaning(kind: type[PlimsollError]) -> str:
    """Return the docstring of ``kind`` as one line of Markdown."""
    text = " ".join((kind.__doc__ or "").split())
    return text.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
