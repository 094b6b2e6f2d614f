"""Rebuilding the exchange from what L1 holds of it, and comparing on the way.

Nothing here is trusted but the contracts' own checks and this code: the code on L1 must be that of
contracts/src, each batch must go on from the one before, its data must be what the contract hashed,
each action must be signed, each deposit must stand in the inbox, each command must apply, and each
root must come out, the last as the contract has it.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Ordered

import msgspec

from node.codec.batch import decode_batch
from node.codec.eip712 import Signing
from node.codec.forgery import Forgery, first_forgery
from node.ports.chain_reader import InboxEntry, PostedBatch, RollupTerms, RollupTip
from node.transition.replay import Replica
from node.transition.state import State
from node.types.blocks import BatchHeader
from node.types.commands import Command, Deposit
from node.types.errors import BatchMalformed, ChainDisagrees, ConfigInvalid, StateDiverged
from node.types.hashing import keccak256
from node.types.rules import Rules, decode_rules
from node.types.units import Millis
from node.verifier.lag_audit import LagAudit
from node.verifier.verdict import Difference, Fault, Verdict, shown

NO_BATCH = -1


class OpenedBatch(msgspec.Struct, frozen=True, gc=False):
    """A batch that goes on from the last one, and whose data is what the contract hashed."""

    header: BatchHeader
    commands: tuple[Command, ...]
    posted_ms: Millis


class Rebuild:
    """The exchange as far as the batches given so far rebuild it.

    For each batch in order: ``open``; then ``execute``, beside which others may check signatures;
    then ``conclude``. After the first difference nothing more is taken.
    """

    def __init__(self, terms: RollupTerms, deposits: Ordered[InboxEntry]) -> None:
        """Stand at the genesis root; where that differs, or the contracts, it is the difference."""
        self._terms = terms
        self._deposits = deposits
        self._roots: list[bytes] = []
        self._commands = 0
        self._lags = LagAudit()
        self._replica: Replica | None = None
        self._signing: Signing | None = None
        self.difference: Difference | None = None
        try:
            rules = decode_rules(terms.rules)
        except ConfigInvalid as error:
            self.difference = Difference(Fault.GENESIS, NO_BATCH, "rules", shown(error))
            return
        self._replica = Replica.genesis(rules, terms.domain)
        self._signing = Signing(terms.domain, rules)
        self.difference = _fault_of_terms(terms, rules, self._replica.root)
        if self.difference is None:
            self._roots.append(self._replica.root)

    @property
    def state(self) -> State | None:
        """Return the state as rebuilt so far, None where the rules could not be read."""
        return None if self._replica is None else self._replica.state

    @property
    def signing(self) -> Signing:
        """Return what the commands of this exchange are signed under."""
        assert self._signing is not None, "without rules nothing is signed"
        return self._signing

    @property
    def batches(self) -> int:
        """Return the number of batches that agreed."""
        return max(0, len(self._roots) - 1)

    def open(self, posted: PostedBatch) -> OpenedBatch | None:
        """Return the batch, decoded; None where it is not the next one, or is not sound."""
        if self.difference is None:
            self.difference = self._fault_of_header(posted.header) or _fault_of_hash(posted)
        if self.difference is not None:
            return None
        header = posted.header
        try:
            commands = decode_batch(posted.data)
        except BatchMalformed as error:
            self.difference = Difference(
                Fault.DATA, header.index, "a batch", shown(error), header.first_sequence
            )
            return None
        last = header.first_sequence + len(commands) - 1
        if last != header.last_sequence:
            self.difference = Difference(
                Fault.HEADER, header.index, f"last_sequence {last}", shown(header.last_sequence)
            )
            return None
        return OpenedBatch(header, commands, posted.time_ms)

    def execute(self, opened: OpenedBatch) -> Difference | None:
        """Execute the batch; return the first difference in commands, roots or header.

        It is not the verdict yet: ``conclude`` weighs it against what the signatures say.
        """
        replica, header = self._replica, opened.header
        assert replica is not None
        try:
            for place, stretch in enumerate(replica.stretches(opened.commands)):
                ends = stretch.last_sequence == header.last_sequence
                fault = _fault_of_root(header, place, stretch.root, ends=ends)
                if fault is not None:
                    return msgspec.structs.replace(
                        fault,
                        first_sequence=stretch.first_sequence,
                        last_sequence=stretch.last_sequence,
                    )
        except StateDiverged as error:
            return self._rejected(opened, f"{error.code} {error.error}")
        except BatchMalformed as error:
            return Difference(Fault.DATA, header.index, "whole blocks", shown(error))
        # Whatever data from the chain makes the transition do, the answer is its place, no crash.
        except Exception as error:  # noqa: BLE001
            return self._rejected(opened, repr(error))
        cursor = replica.state.inbox_cursor
        if cursor != header.inbox_cursor:
            return Difference(
                Fault.HEADER, header.index, f"inbox_cursor {cursor}", shown(header.inbox_cursor)
            )
        return None

    def conclude(
        self, opened: OpenedBatch, executed: Difference | None, forgery: Forgery | None
    ) -> bool:
        """Close the batch with what was found in it; return whether everything agrees.

        Of several differences the earliest counts; at one place, the one that names it best.
        """
        found = [
            difference
            for difference in (
                _fault_of_signature(opened, forgery),
                self._fault_of_deposits(opened),
                executed,
            )
            if difference is not None
        ]
        if found:
            # Without a place it is about the batch as a whole, and comes last.
            self.difference = min(found, key=lambda one: one.last_sequence or 2**64)
            return False
        self._lags.take(opened.commands, opened.posted_ms)
        self._roots.append(opened.header.new_root)
        self._commands = opened.header.last_sequence
        return True

    def contradict(self, error: ChainDisagrees) -> None:
        """Close with the place where what the chain reader was told contradicts itself."""
        values = dict(error.values)
        self.difference = Difference(
            Fault.CONTRADICTION,
            values.pop("batch", NO_BATCH),
            f"{values.pop('what', '')} {shown(values.pop('expected', ''))}".strip(),
            shown(values.pop("found", "")) or shown(values),
        )

    def finish(self, tip: RollupTip) -> Verdict:
        """Return the verdict, given how far the contract says that the log goes."""
        if self.difference is None and self.batches != tip.batches:
            self.difference = Difference(
                Fault.MISSING_BATCH,
                self.batches,
                f"batch {self.batches} of {tip.batches}",
                "nothing",
            )
        if self.difference is None and self._roots[-1] != tip.root:
            # Withdrawals are paid against the root that the contract has, whatever the logs say.
            self.difference = Difference(
                Fault.CONTRADICTION,
                self.batches - 1,
                f"latestRoot {shown(self._roots[-1])}",
                shown(tip.root),
            )
        return self.verdict()

    def verdict(self) -> Verdict:
        """Return what was found so far."""
        return Verdict(
            terms=self._terms,
            batches=self.batches,
            commands=self._commands,
            roots=tuple(self._roots),
            difference=self.difference,
            lag_understated_ms=self._lags.understated_ms,
        )

    def _fault_of_header(self, header: BatchHeader) -> Difference | None:
        assert self._replica is not None
        index = self.batches
        if header.index > index:
            return Difference(Fault.MISSING_BATCH, index, f"batch {index}", f"batch {header.index}")
        expected = {
            "index": index,
            "previous_root": self._replica.root,
            "first_sequence": self._replica.state.sequence + 1,
        }
        for field, value in expected.items():
            found = getattr(header, field)
            if found != value:
                return Difference(Fault.HEADER, index, f"{field} {shown(value)}", shown(found))
        return None

    def _fault_of_deposits(self, opened: OpenedBatch) -> Difference | None:
        first = opened.header.first_sequence
        for sequence, command in enumerate(opened.commands, first):
            if not isinstance(command, Deposit):
                continue
            known = command.index < len(self._deposits)
            entry = self._deposits[command.index] if known else None
            found = InboxEntry(command.index, command.account, command.amount)
            if found != entry:
                return Difference(
                    Fault.DEPOSIT,
                    opened.header.index,
                    _shown_entry(entry),
                    _shown_entry(found),
                    sequence,
                    sequence,
                    type(command).__name__,
                )
        return None

    def _rejected(self, opened: OpenedBatch, error: str) -> Difference:
        """Return the difference at the command that the replica did not get past."""
        assert self._replica is not None
        header, sequence = opened.header, self._replica.state.sequence + 1
        place = min(sequence - header.first_sequence, len(opened.commands) - 1)
        kind = type(opened.commands[place]).__name__
        return Difference(
            Fault.COMMAND_REJECTED, header.index, "applies", error, sequence, sequence, kind
        )


def rebuild(
    terms: RollupTerms,
    deposits: Ordered[InboxEntry],
    batches: Iterable[PostedBatch],
    tip: RollupTip,
) -> tuple[Verdict, State | None]:
    """Return the verdict on ``batches`` and the state as far as it was rebuilt, in one go."""
    exchange = Rebuild(terms, deposits)
    for posted in batches:
        opened = exchange.open(posted)
        if opened is None:
            break
        executed = exchange.execute(opened)
        if not exchange.conclude(
            opened, executed, first_forgery(opened.commands, exchange.signing)
        ):
            break
    return exchange.finish(tip), exchange.state


def _fault_of_terms(terms: RollupTerms, rules: Rules, root: bytes) -> Difference | None:
    """Return what is wrong before the first batch; ``root`` is what the rules lead to."""
    if terms.foreign:
        return Difference(
            Fault.CONTRACT, NO_BATCH, "the code of contracts/src", ", ".join(terms.foreign)
        )
    if rules.encode() != terms.rules:
        # A key that stands there twice, or is left out, means something else to another reader.
        return Difference(
            Fault.GENESIS, NO_BATCH, f"canonical rules {shown(rules.digest())}",
            shown(keccak256(terms.rules)),
        )  # fmt: skip
    if root != terms.genesis_root:
        return Difference(Fault.GENESIS, NO_BATCH, shown(root), shown(terms.genesis_root))
    return None


def _fault_of_hash(posted: PostedBatch) -> Difference | None:
    found = keccak256(posted.data)
    if found == posted.data_hash:
        return None
    return Difference(
        Fault.DATA,
        posted.header.index,
        f"keccak256 {shown(posted.data_hash)}",
        shown(found),
        posted.header.first_sequence,
        posted.header.last_sequence,
    )


def _fault_of_root(
    header: BatchHeader, place: int, root: bytes, *, ends: bool
) -> Difference | None:
    """Compare the ``place``-th root of a batch; ``ends``: it is the one after the whole batch."""
    inner = header.roots[place] if place < len(header.roots) else None
    if ends and inner is None:
        fault, found = Fault.ROOT, header.new_root
    elif ends:
        return Difference(Fault.INTERMEDIATE_ROOT, header.index, "no more", shown(inner))
    else:
        fault, found = Fault.INTERMEDIATE_ROOT, inner or b""
    return None if found == root else Difference(fault, header.index, shown(root), shown(found))


def _fault_of_signature(opened: OpenedBatch, forgery: Forgery | None) -> Difference | None:
    if forgery is None:
        return None
    sequence = opened.header.first_sequence + forgery.place
    values = ", ".join(f"{name}={value}" for name, value in forgery.values.items())
    return Difference(
        Fault.SIGNATURE,
        opened.header.index,
        "signed",
        f"{forgery.error}({values})",
        sequence,
        sequence,
        type(opened.commands[forgery.place]).__name__,
    )


def _shown_entry(entry: InboxEntry | None) -> str:
    if entry is None:
        return "no such deposit"
    return f"deposit {entry.index}: {entry.amount} for {shown(entry.account)}"
