"""The loop that acts: what the chain reader brings is rebuilt and compared, batch after batch."""

from collections.abc import Awaitable, Callable
from collections.abc import Sequence as Ordered
from contextlib import aclosing
from typing import Protocol

from node.codec.eip712 import Signing
from node.codec.forgery import Forgery, first_forgery
from node.ports.chain_reader import ChainReader
from node.transition.state import State
from node.types.commands import Command
from node.types.errors import ChainDisagrees
from node.verifier.rebuild import Rebuild
from node.verifier.verdict import Verdict


class SignatureCheck(Protocol):
    """Checks the signatures of a batch, beside what the caller does meanwhile."""

    def begin(self, commands: Ordered[Command], signing: Signing) -> Awaitable[Forgery | None]:
        """Begin at once; the answer is the first command that is not signed as it says."""
        ...


class InPlace:
    """A ``SignatureCheck`` in this process, once the answer is awaited."""

    async def begin(self, commands: Ordered[Command], signing: Signing) -> Forgery | None:
        """Return the first forgery."""
        return first_forgery(commands, signing)


async def verify(
    reader: ChainReader,
    signatures: SignatureCheck,
    progress: Callable[[int, int], None],
) -> tuple[Verdict, State | None]:
    """Rebuild the exchange that ``reader`` reads; return the verdict and the state it came to.

    ``progress`` is told how many batches are done, of how many. An endpoint that contradicts itself
    about deposits or batches is a difference; that it cannot be read, or that there is no rollup,
    is none: what the reader raises then is raised here.
    """
    terms = await reader.terms()
    try:
        rebuild = Rebuild(terms, await reader.deposits())
    except ChainDisagrees as error:
        rebuild = Rebuild(terms, ())
        rebuild.contradict(error)
        return rebuild.verdict(), rebuild.state
    tip = await reader.tip()
    progress(0, tip.batches)
    try:
        await _rebuild_all(rebuild, reader, signatures, lambda done: progress(done, tip.batches))
    except ChainDisagrees as error:
        rebuild.contradict(error)
    return rebuild.finish(tip), rebuild.state


async def _rebuild_all(
    rebuild: Rebuild,
    reader: ChainReader,
    signatures: SignatureCheck,
    progress: Callable[[int], None],
) -> None:
    """Rebuild batch after batch, up to the last one or to the first difference."""
    async with aclosing(reader.batches()) as batches:
        async for posted in batches:
            opened = rebuild.open(posted)
            if opened is None:
                return
            checking = signatures.begin(opened.commands, rebuild.signing)
            executed = rebuild.execute(opened)
            if not rebuild.conclude(opened, executed, await checking):
                return
            progress(rebuild.batches)
