"""A worker process of the gate: frames of messages in on stdin, frames of answers out on stdout.

A frame is its length (4 bytes, big-endian) and MessagePack. The first one in is the set-up
(``[chain id, rollup, rules]``), every other ``[the node's time in milliseconds, raw messages]``;
each is answered by ``[nanoseconds of work, answers]``. The process ends when its stdin does: it
cannot outlive the node.
"""

import os
import signal
import sys
from time import perf_counter_ns
from typing import BinaryIO

import msgspec

from node.ingress.admission import Admitter
from node.types.blocks import Domain
from node.types.rules import decode_rules

_decode_setup = msgspec.msgpack.Decoder(tuple[int, bytes, bytes]).decode
_decode_work = msgspec.msgpack.Decoder(tuple[int, list[bytes]]).decode
_encode = msgspec.msgpack.Encoder().encode


def read_frame(source: BinaryIO) -> bytes | None:
    """Return the next frame, or nothing once ``source`` has ended, in the middle of one or not."""
    head = source.read(4)
    if len(head) < 4:
        return None
    length = int.from_bytes(head)
    body = source.read(length)
    return body if len(body) == length else None


class Responder:
    """Answers one frame after another; the first one sets it up and has no answer."""

    __slots__ = ("_admitter",)

    def __init__(self) -> None:
        self._admitter: Admitter | None = None

    def __call__(self, frame: bytes) -> bytes | None:
        """Return the answer to ``frame``."""
        if self._admitter is None:
            chain_id, rollup, rules = _decode_setup(frame)
            self._admitter = Admitter(Domain(chain_id, rollup), decode_rules(rules))
            return None
        started = perf_counter_ns()
        now_ms, raws = _decode_work(frame)
        answers = msgspec.Raw(self._admitter.admit_encoded(raws, now_ms))
        return _encode((perf_counter_ns() - started, answers))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer the frames of ``source`` until it ends. Raises ``BrokenPipeError`` with ``sink``."""
    respond = Responder()
    while (frame := read_frame(source)) is not None:
        body = respond(frame)
        if body is not None:
            sink.write(len(body).to_bytes(4) + body)
            sink.flush()


def main() -> None:
    """Serve the process that started this one."""
    # Ctrl-C reaches every process of a terminal, and a supervisor's SIGTERM every one of a service;
    # when to stop is the node's decision alone: it closes stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # A stray print of some library must not end up among the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        serve(sys.stdin.buffer, sink)
        sink.close()
    except BrokenPipeError:
        # The node is gone, and so is whoever would have read the rest; skip the flush at exit.
        os._exit(0)


if __name__ == "__main__":
    main()
