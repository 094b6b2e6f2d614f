"""What a verification found: that everything agrees, or the first place where it does not."""

from enum import StrEnum, unique

import msgspec

from node.ports.chain_reader import RollupTerms


@unique
class Fault(StrEnum):
    """What differs."""

    CONTRACT = "contract"
    """A contract's code is not that of contracts/src: nobody knows what it checks, or pays."""

    GENESIS = "genesis"
    """The rules do not lead to the announced genesis root, are not canonical, or unreadable."""

    MISSING_BATCH = "missing_batch"
    """The chain says that there is such a batch, and it is not where it should be."""

    CONTRADICTION = "contradiction"
    """What the endpoint says of one and the same thing is not the same."""

    HEADER = "header"
    """The header does not go on from the batch before, or does not fit its own data."""

    DATA = "data"
    """The data is not what the contract hashed, or cannot be decoded."""

    DEPOSIT = "deposit"
    """The command is not the deposit that the inbox holds at its index."""

    SIGNATURE = "signature"
    """The command was not signed by whom it names."""

    COMMAND_REJECTED = "command_rejected"
    """The transition does not accept the command at its place."""

    INTERMEDIATE_ROOT = "intermediate_root"
    """A root inside the batch differs: one of the commands since the last agreed root."""

    ROOT = "root"
    """The root after the batch differs: one of the commands since the last agreed root."""


class Difference(msgspec.Struct, frozen=True, gc=False):
    """The first place where the chain does not say what its own commands lead to.

    The fault lies in the commands ``first_sequence`` … ``last_sequence``: a single one where it can
    be named, with its kind in ``command``; the shortest stretch between two roots otherwise. Both
    are 0 where no command is concerned. ``batch`` is -1 for what comes before the first batch.
    ``expected`` is what the rebuilding found to be right, ``found`` what the chain holds.
    """

    fault: Fault
    batch: int
    expected: str
    found: str
    first_sequence: int = 0
    last_sequence: int = 0
    command: str = ""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """How far the rebuilding came, and what stopped it, if anything did.

    ``terms`` are what the rollup was created with.
    ``batches`` and ``commands`` count what agreed. ``roots`` are the roots that did: the genesis
    root first, then one after each batch. ``lag_understated_ms``: by how much
    some block of the log understates its lag at least, as L1's own times prove (``lag_audit``).
    """

    terms: RollupTerms
    batches: int
    commands: int
    roots: tuple[bytes, ...]
    difference: Difference | None
    lag_understated_ms: int = 0

    @property
    def ok(self) -> bool:
        """Return whether everything on the chain agrees with everything else."""
        return self.difference is None


def shown(value: object) -> str:
    """Return ``value`` for a report: bytes as hex, everything else as it reads."""
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
