"""Between the wire and the stations behind it: what a server needs, whatever it speaks.

    server ── bytes ──▶ Conversation ─▶ gate, sequencer        (ingress)
       ▲                     │
       └── Wire ◀── bodies ──┴──────── Feeds, Views            (publisher)

A server moves bytes; what they mean is decided behind these protocols.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from node.types.errors import PlimsollError
from node.types.ids import EVERY_MARKET, NO_ADDRESS, Address, MarketId, Sequence
from node.types.units import Millis

SUCCESS = 0
"""The code of an answer that is a result; every other is an error's."""

BOOK_DEPTH: Final = 100
"""Levels of each side of a book that is asked for without a number."""
BOOK_DEPTH_MAX: Final = 1_000
"""The most of them; whoever wants all subscribes to the channel ``book``, and hears of changes."""

DEADLINE_MS_MAX: Final = 3_600_000
"""The longest deadline that a request may have: an hour is for ever."""

Answer = Callable[[int, bytes], None]
"""Called once with the code (``SUCCESS`` or an error's) and the JSON body of a result or error."""


class Budget(msgspec.Struct, frozen=True, gc=False):
    """What an account has used of one of its budgets of weight: ``adding`` or ``reducing``.

    ``used`` drains by ``per_s``; an action whose weight is more than ``remaining`` is refused.
    After ``reset_ms`` of silence nothing is used.
    """

    name: str
    per_s: int
    limit: int
    used: int
    remaining: int
    reset_ms: int


class LimitsResult(msgspec.Struct, frozen=True, gc=False):
    """Both budgets of the account that is logged in."""

    account: str
    adding: Budget
    reducing: Budget


Meter = Callable[[Budget], None]
"""Told of the budget that an action drew on, or was refused by, before its answer comes."""


class Channel(msgspec.Struct, frozen=True, gc=False):
    """One feed, hashable: its kind, and whose it is.

    Those of ``OF_A_MARKET`` are of a market, and ``candles`` of an interval as well; ``account`` is
    of an address; ``marks``, ``blocks``, ``finality``, ``load`` and ``fee`` name neither.
    """

    kind: str
    market: MarketId = EVERY_MARKET
    account: Address = NO_ADDRESS
    interval: str = ""


OF_A_MARKET: Final = frozenset(("book", "orders", "bbo", "trades", "candles"))

RESUMABLE: Final = frozenset(("book", "orders", "trades", "account"))
"""Channels of which a reader who comes back may be told just what it missed."""

CONFLATED: Final = frozenset(("book", "bbo", "marks", "finality", "load", "fee"))
"""Channels on which a reader that is behind is told how things stand, and not how they came to."""


class Opening(msgspec.Struct, frozen=True, gc=False):
    """What a subscription begins with: what was missed (``resumed``), or how things stand."""

    frames: tuple[bytes, ...]
    resumed: bool


class Subscriber(Protocol):
    """Someone who reads feeds."""

    @property
    def behind(self) -> bool:
        """Return whether so much waits already that it should be told no more than it must."""
        ...

    def push(self, frame: bytes) -> None:
        """Queue a message, already as the wire wants it; never waits.

        Raises ``SlowReader`` once too much is queued; the subscriber is then cut already, and
        nothing more may be pushed.
        """
        ...


class Wire(Subscriber, Protocol):
    """The way back to one client."""

    def send(self, body: bytes) -> None:
        """Queue the JSON text ``body``; never waits, and does nothing once the client has gone."""
        ...

    def close(self, error: PlimsollError) -> None:
        """Tell the client why, and hang up."""
        ...


class Feeds(Protocol):
    """What is told to whoever wants to hear it."""

    def subscribe(
        self, subscriber: Subscriber, channel: Channel, since: Sequence | None = None
    ) -> Opening:
        """Push the channel's messages to ``subscriber`` from now on.

        Returns the frames that come first. ``since`` is the last message that the reader has: where
        that is not too long ago, it is told what followed. Asking again is allowed. Raises
        ``SinceAhead`` where the log has not come so far, ``Overloaded`` past the channels of one.
        """
        ...

    def unsubscribe(self, subscriber: Subscriber, channel: Channel) -> None:
        """Push no more of the channel; nothing happens where it was not subscribed to."""
        ...

    def leave(self, subscriber: Subscriber) -> None:
        """Forget ``subscriber``."""
        ...

    def may_act(self, account: Address, signer: Address, now: Millis) -> bool:
        """Return whether ``signer`` is ``account`` or, at ``now``, one of its agents."""
        ...


class Views(Protocol):
    """Answers to questions about the durable past: JSON bodies.

    Raises ``UnknownMarket`` or ``NotFound``.
    """

    def markets(self) -> bytes:
        """Return every market with its rules."""
        ...

    def rules(self) -> bytes:
        """Return all rules of the exchange."""
        ...

    def book(self, symbol: str, depth: int) -> bytes:
        """Return the best ``depth`` levels of a book."""
        ...

    def trades(self, symbol: str, limit: int) -> bytes:
        """Return the last ``limit`` trades of a market that are kept, the oldest first."""
        ...

    def candles(self, symbol: str, interval: str, limit: int) -> bytes:
        """Return the last ``limit`` candles that are kept, the oldest first."""
        ...

    def account(self, address: Address) -> bytes:
        """Return balances, positions and open orders."""
        ...

    def orders(self, address: Address) -> bytes:
        """Return the open orders of an account."""
        ...

    def receipt(self, sequence: int) -> bytes:
        """Return a receipt, with the ids after it in its block."""
        ...

    def block(self, number: int) -> bytes:
        """Return a block's head and the ids of its commands."""
        ...

    def finality(self, sequence: int) -> bytes:
        """Return how sure a command is on L1."""
        ...

    async def withdrawal(self, withdrawal_id: int) -> bytes:
        """Return the proof that claims a withdrawal on L1."""
        ...

    def preview(self, raw: bytes) -> Awaitable[bytes]:
        """Try out an unsigned order; raises what cannot be read.

        What would become of it comes once what it rests on is durable.
        """
        ...


class Faucet(Protocol):
    """Gives test money away; a devnet's node has one."""

    async def pour(self, raw: bytes, origin: str) -> bytes:
        """Pay in on L1 for the account in ``raw``, asked from ``origin``; return the answer.

        Raises what cannot be read, ``RateLimited``, ``Overloaded`` or ``ChainUnavailable``.
        """
        ...


class Conversation(Protocol):
    """One client that stays connected."""

    @property
    def in_flight(self) -> int:
        """Return how many of its requests are not answered yet."""
        ...

    def begin(self) -> None:
        """Greet the client."""
        ...

    def receive(self, text: str) -> None:
        """Take in one message; its answer goes to the wire, now or later."""
        ...

    def refuse(self, error: PlimsollError) -> None:
        """Answer a message that cannot be one, whatever it held."""
        ...

    def touch(self) -> bool:
        """Count a message that says nothing, as a ping; return whether it may be answered."""
        ...

    def review(self) -> None:
        """Look again at what may have changed since the client proved who it is."""
        ...

    def end(self) -> None:
        """The client has gone."""
        ...


class Api(Protocol):
    """Takes in what clients send."""

    def spend(self, address: str) -> None:
        """Count one costly request from ``address``. Raises ``RateLimited``."""
        ...

    def read(self, address: str, view: Callable[[], bytes]) -> bytes:
        """Return what ``view`` writes, at the cost of ``address``. Raises ``RateLimited``."""
        ...

    def open(self, wire: Wire, address: str = "") -> Conversation:
        """Return a new conversation with ``address``, which answers to ``wire``."""
        ...

    def action(
        self,
        raw: bytes,
        answer: Answer,
        address: str = "",
        deadline_ms: int | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Take in one action from ``address``, by a client that does not stay connected.

        After ``deadline_ms`` it is not begun any more (None: whenever its turn comes). ``meter``
        hears of the account's budget as soon as the signature is proven.
        """
        ...

    def oracle_round(
        self,
        raw: bytes,
        answer: Answer,
        address: str = "",
        deadline_ms: int | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Take in one oracle round, likewise; it draws on no account's budget."""
        ...
