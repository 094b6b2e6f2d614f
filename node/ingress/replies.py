"""Answers that were given already: the same action sent again gets the first result again.

A client that heard nothing cannot know whether its action was executed. It sends the very same
bytes again, and hears what became of them, instead of ``NonceUsed``: so a retry is always safe, and
never executes anything twice. What is remembered is bounded; past it, the nonce alone protects.

A retry may come after the action's ``expires``. Nobody recovers a signature for what has expired,
so it is found by its digest and the very signature that it was executed with.

Before a restart nothing was remembered here. What recovery replayed is known all the same: the
blocks that are not final yet hold what is needed to write the same answer.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from node.types.commands import Action
from node.types.durable import DurableBlock, Executed

REPLY_BYTES_MAX = 32 << 20
"""All remembered bodies together: some 50,000 answers to single orders."""

_BEGIN = b"{"
_REPEATED = b'{"repeated":true,'


class Replies:
    """Results by the action's id and its signer; the oldest are forgotten first."""

    __slots__ = ("_bodies", "_bytes", "_bytes_max", "_keys", "_render", "_replayed")

    def __init__(
        self,
        render: Callable[[Executed], bytes],
        replayed: Iterable[DurableBlock] = (),
        bytes_max: int = REPLY_BYTES_MAX,
    ) -> None:
        """``render`` writes the body of a result; ``replayed`` are blocks from before the start."""
        self._render = render
        self._bodies: OrderedDict[bytes, tuple[bytes, bytes]] = OrderedDict()
        # The keys of what is known, by digest and signature.
        self._keys: dict[bytes, bytes] = {}
        self._bytes = 0
        self._bytes_max = bytes_max
        self._replayed: dict[bytes, Executed] = {}
        for block in replayed:
            for index, command in enumerate(block.block.commands):
                if isinstance(command, Action):
                    digest = block.block.ids[index]
                    key = digest + command.signer
                    self._replayed[key] = Executed(block, index)
                    self._keys[digest + command.signature] = key

    def __len__(self) -> int:
        """Return how many results are known."""
        return len(self._bodies) + len(self._replayed)

    def remember(self, key: bytes, sent: bytes, body: bytes) -> None:
        """Keep ``body``, the result of the action and signer ``key``; again changes nothing.

        ``sent`` is its digest and its signature.
        """
        if key in self._bodies:
            return
        self._bodies[key] = (sent, body)
        self._keys[sent] = key
        self._bytes += len(body)
        while self._bytes > self._bytes_max:
            _, (sent, body) = self._bodies.popitem(last=False)
            del self._keys[sent]
            self._bytes -= len(body)

    def find_sent(self, sent: bytes) -> bytes | None:
        """Return the first result again of what came with this digest and signature, if known."""
        key = self._keys.get(sent)
        return None if key is None else self.find(key)

    def find(self, key: bytes) -> bytes | None:
        """Return the first result again, marked as repeated; None where it is not known."""
        kept = self._bodies.get(key)
        if kept is None:
            executed = self._replayed.get(key)
            if executed is None:
                return None
            body = self._render(executed)
        else:
            body = kept[1]
        return _REPEATED + body.removeprefix(_BEGIN)
