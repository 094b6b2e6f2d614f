"""One channel of a session: hands on what follows what came before, and knows where to go on.

A message that came already is dropped. Where one is missing, nothing more is handed on until the
server has told what was missed, or how things stand; the session is told once to ask for that. The
same holds where a reader finds that a message does not fit what it has. One that the server does
not renew ends, and so does one whose handler fails; its reader learns why. Of a snapshot in parts
the reader sees the whole.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from node.client.errors import SubscriptionEnded
from node.client.local_book import FeedCrossed, FeedGap, FeedMismatch, require_best
from node.ports.api import RESUMABLE

Message = dict[str, Any]
Handler = Callable[[Message], object]
Ended = Callable[[SubscriptionEnded], None]

_UNFIT: Final = (FeedGap, FeedCrossed, FeedMismatch)


class HandlerFailed(Exception):
    """A caller's handler raised ``__cause__``."""


class Subscription:
    """What is asked for, who hears it, and ``seq``, the last message that was handed on.

    ``asked``: the server has been asked to go on, and has not answered yet. ``current``: what was
    handed on is how things stand, as far as the server has told. ``resumed`` and ``begun`` count
    the answers that went on and those that began anew, ``unfit`` the snapshots in a row that did
    not fit. ``error``: why nothing more will come. ``heard``: a message was handed on, or none
    will be. ``holders`` counts those who asked for it and still want it.
    """

    def __init__(
        self, params: Message, handler: Handler, ended: Ended | None = None, *, own: bool = False
    ) -> None:
        """``handler`` hears the messages, ``ended`` that no more will come.

        An ``own`` handler is a reader of this client: where it cannot read a message, the message
        is wrong. Any other that raises is wrong itself.
        """
        self.handler = handler
        self.ended = ended
        self.error: SubscriptionEnded | None = None
        self.heard = asyncio.Event()
        self.holders = 0
        self.seq: int | None = None
        self.asked = False
        self.current = False
        self.resumed = 0
        self.begun = 0
        self.unfit = 0
        self._params = params
        self._own = own
        self._parts: list[Message] = []

    @property
    def params(self) -> Message:
        """Return what to ask the server for: to go on where that is possible."""
        if self.seq is None or self._params["channel"] not in RESUMABLE:
            return self._params
        return {**self._params, "since": self.seq}

    def answered(self, result: Message) -> None:
        """Note that the server is about to tell what was asked for."""
        self.asked = False
        if result.get("resumed"):
            self.resumed += 1
            self.current = True
        else:
            self.begun += 1
            if self._params["channel"] not in RESUMABLE:
                # Its count may begin anew with the node, or with a new log.
                self.seq = None

    def end(self, cause: BaseException | None, **why: Any) -> None:
        """Tell the reader that nothing more comes, for ``cause``; ``why`` are the error's values.

        Raises what ``ended`` raises.
        """
        self.current = False
        named = {"channel": self._params["channel"], "market": self._params.get("market", "")}
        self.error = SubscriptionEnded(**named, **why)
        self.error.__cause__ = cause
        self.heard.set()
        if self.ended is not None:
            self.ended(self.error)

    def start_over(self) -> None:
        """Forget where it stood."""
        self.seq = None
        self._parts.clear()

    def take(self, message: Message) -> bool:
        """Hand on ``message`` if it follows; return whether the server is now to be asked.

        Raises ``HandlerFailed``; of an own handler what that raises, after which only a snapshot is
        good enough.
        """
        seq = message.get("seq", message.get("count", message.get("number")))
        if seq is not None and not self._follows(message, seq):
            if self.seq is None or seq > self.seq:
                return self._ask()
            # It came already; where it tells all there is by now, nothing has happened since.
            self.current = self.current or (_tells_all(message) and seq == self.seq)
            return False
        if "parts" in message:
            if not self._fits(message):
                return self._ask()
            if message["part"] < message["parts"]:
                return False
            message = _whole(self._parts)
        self._parts.clear()
        try:
            if message.get("channel") == "bbo":
                require_best(message)
            self._hand_on(message)
        except _UNFIT:
            self.unfit += _tells_all(message)
            self.start_over()
            return self._ask()
        except Exception:
            self.start_over()
            raise
        self.seq = seq
        self.current = True
        self.unfit = 0
        return False

    def _hand_on(self, message: Message) -> None:
        try:
            self.handler(message)
        except _UNFIT:
            raise
        except Exception as fault:
            if self._own:
                raise
            raise HandlerFailed from fault
        self.heard.set()

    def _follows(self, message: Message, seq: int) -> bool:
        if _tells_all(message):
            # It tells all there is, and is good where something happened since.
            return self.seq is None or seq > self.seq
        return self.seq is not None and message["prev_seq"] == self.seq

    def _fits(self, part: Message) -> bool:
        """Return whether ``part`` is the next of its snapshot, and keep it."""
        before = self._parts[-1] if self._parts and part["part"] > 1 else None
        follows = (before["seq"], before["part"] + 1) if before else (part["seq"], 1)
        if (part["seq"], part["part"]) != follows:
            # One that came twice is none that is missing.
            return before is not None and part == before
        if part["part"] == 1:
            self._parts.clear()
        self._parts.append(part)
        return True

    def _ask(self) -> bool:
        """Return whether this is the first time that it must be asked.

        Until it answers nothing is known to be how things stand: something newer has been told.
        """
        self.current = False
        first, self.asked = not self.asked, True
        return first


def _tells_all(message: Message) -> bool:
    """Return whether ``message`` says how things stand, and not only what has changed."""
    return "type" not in message or message["type"] == "snapshot"


def _whole(parts: list[Message]) -> Message:
    """Return the snapshot of which these are all parts."""
    sides = {name: [entry for part in parts for entry in part[name]] for name in ("bids", "asks")}
    return {**parts[-1], **sides}
