"""Messages that go in and out of the server, over all connections and those that have ended."""

from node.capacity.telemetry import MessageCounters


class Traffic:
    """Counts; ``outgoing`` is in bytes of frames, ``incoming`` in bytes of text."""

    __slots__ = ("bytes", "incoming", "outgoing")

    def __init__(self) -> None:
        """Start at zero."""
        self.incoming = 0
        self.outgoing = 0
        self.bytes = 0

    def came(self, size: int) -> None:
        """Count one message in."""
        self.incoming += 1
        self.bytes += size

    def went(self, size: int) -> None:
        """Count one message out."""
        self.outgoing += 1
        self.bytes += size

    def read(self) -> MessageCounters:
        """Return what was counted."""
        return MessageCounters(incoming=self.incoming, outgoing=self.outgoing, bytes=self.bytes)
