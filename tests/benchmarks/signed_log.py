"""A tape of actions as a log: signed by those who send them, in blocks as the sequencer makes them.

Roots stand where configs/rules.toml has them, not as close as in the rules that tests share.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.codec.signatures import authenticate
from node.sequencer.builder import Builder
from node.sequencer.submission import Submission
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import Action, Command, OpenBlock, OracleRound
from node.types.durable import Outcome
from node.types.errors import PlimsollError
from node.types.units import Millis
from tests.benchmarks.transition_tape import TRADERS, ActionTape
from tests.examples import DOMAIN, RULES, oracle_round, signed

LOG_RULES: Final = msgspec.structs.replace(RULES, root_interval=1_000)
SIGNING: Final = Signing(DOMAIN, LOG_RULES)


class SignedLog(msgspec.Struct, frozen=True):
    """Whole blocks; the first one fills accounts and book, and is not timed.

    ``root`` is that of the state after all of them, ``leaves`` how many that state has.
    """

    blocks: tuple[Block, ...]
    root: bytes
    leaves: int

    @property
    def commands(self) -> int:
        """Return how many commands the timed blocks hold."""
        return sum(len(block.commands) for block in self.blocks[1:])


class Sequencing:
    """All that the exchange's own side does to signed commands until the root after them stands.

    What stands around it is left out: reading JSON, waiting, writing to disk, signing receipts.
    """

    def __init__(self) -> None:
        self.state = State.genesis(LOG_RULES, DOMAIN)
        self.tree = StateTree.build(dict(self.state.leaves()))
        name = partial(command_id, signing=SIGNING)
        self._builder = Builder(self.state, apply, name, GENESIS_PARENT)
        self._changes: dict[bytes, bytes | None] = {}
        self._rooted = self.state.sequence

    def block(self, commands: Sequence[Command], ids: Sequence[bytes], time: Millis) -> Block:
        """Check the signatures of ``commands`` and return the block that they make; all apply."""
        for command in commands:
            authenticate(command, SIGNING)
        taken = [Submission(one, name, _ignore) for one, name in zip(commands, ids, strict=True)]
        unsigned = self._builder.build(taken, time).unsigned
        assert unsigned is not None
        assert len(unsigned.block.commands) == 1 + len(commands), "some were rejected"
        self._changes.update(unsigned.leaves)
        if self.state.sequence - self._rooted >= LOG_RULES.root_interval:
            self.close()
        return unsigned.signed(bytes(65)).block

    def close(self) -> bytes:
        """Return the root after everything so far."""
        self.tree = self.tree.update(self._changes)
        self._changes, self._rooted = {}, self.state.sequence
        return self.tree.root


def signed_log(tape: ActionTape) -> SignedLog:
    """Return the log of ``tape``, each action signed by its account."""
    work = Sequencing()
    blocks = []
    for opening, commands in _stretches((*tape.warm, *tape.commands)):
        ready = tuple(map(_signed, commands))
        ids = [command_id(command, SIGNING) for command in ready]
        blocks.append(work.block(ready, ids, opening.time))
    return SignedLog(tuple(blocks), work.close(), sum(1 for _ in work.state.leaves()))


def _stretches(commands: Sequence[Command]) -> list[tuple[OpenBlock, list[Command]]]:
    found: list[tuple[OpenBlock, list[Command]]] = []
    for command in commands:
        if isinstance(command, OpenBlock):
            found.append((command, []))
        else:
            found[-1][1].append(command)
    return found


def _signed(command: Command) -> Command:
    match command:
        case Action():
            return signed(command, TRADERS[command.account], SIGNING)
        case OracleRound():
            return oracle_round(command.time, command.reports[0].prices, SIGNING)
        case _:
            return command


def _ignore(outcome: Outcome | PlimsollError) -> None:
    """Nobody waits for what becomes of a tape's command."""
