"""Write the vectors: ``python -m tests.vectors.make``, by hand, when a rule is meant to change.

Each is ``tests/vectors/<command>/<case>.json``: the leaves before (``pre``), the rules, one command
(named, and ``encoded`` as the journal holds it), the events it causes, the leaves after (``post``)
and the root over them. A few have ``before``: commands, encoded, that are applied to ``pre`` first,
because what they leave to the rest of their block stands in no leaf. Bytes are hexadecimal. Whoever
implements the transition once more, in whatever language, can check itself against them.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from node.codec.commands import encode_command
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.commands import Action, Command, OracleRound
from node.types.events import Event
from tests.vectors.cases import Case
from tests.vectors.catalogue import CASES

FOLDER = Path(__file__).parent


def named(value: object) -> Any:
    """Return ``value`` as JSON holds it: structs by field names, bytes in hexadecimal."""
    match value:
        case msgspec.Struct():
            fields = msgspec.structs.asdict(value)
            return {"type": type(value).__name__, **{k: named(v) for k, v in fields.items()}}
        case bytes():
            return "0x" + value.hex()
        case dict():
            return {key: named(inner) for key, inner in value.items()}
        case list() | tuple():
            return [named(inner) for inner in value]
        case bool() | str() | None:
            return value
        case int():
            return int(value)
        case _:
            raise TypeError(type(value))


def signed(command: Command) -> Command:
    """Return ``command`` with signatures of the right length; the transition never looks at one."""
    empty = bytes(65)
    if isinstance(command, Action):
        return msgspec.structs.replace(command, signature=empty)
    if isinstance(command, OracleRound):
        reports = [msgspec.structs.replace(one, signature=empty) for one in command.reports]
        return msgspec.structs.replace(command, reports=tuple(reports))
    return command


def leaves_of(state: State) -> dict[str, str]:
    """Return the leaves of ``state`` in the order of their keys."""
    return {"0x" + key.hex(): "0x" + value.hex() for key, value in sorted(state.leaves())}


def vector_of(case: Case) -> dict[str, Any]:
    """Build the case, apply its command, and return all that a reader needs."""
    exchange, *commands = case()
    (*before, command), state = [signed(one) for one in commands], exchange.state
    pre = leaves_of(state)
    for one in before:
        exchange.do(one)
    events: tuple[Event, ...] = apply(state, command)
    return {
        "rules": json.loads(state.rules.encode()),
        "pre": pre,
        **({"before": ["0x" + encode_command(one).hex() for one in before]} if before else {}),
        "command": named(command),
        "encoded": "0x" + encode_command(command).hex(),
        "events": named(events),
        "post": leaves_of(state),
        "root": "0x" + StateTree.build(dict(state.leaves())).root.hex(),
    }


def path_of(name: str) -> Path:
    """Return where the vector of case ``name`` is stored."""
    return FOLDER / f"{name}.json"


def main() -> None:
    """Write every vector."""
    for name, case in CASES.items():
        path = path_of(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(vector_of(case), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
