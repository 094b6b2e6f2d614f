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


def read_frame(source: BinaryIO) -> bytes | None:
    """Return the next frame, or nothing once ``source`` has ended, in the middle of one or not."""
    head = source.read(4)
    if len(head) < 4:
        return None
    length = int.from_bytes(head)
    body = source.read(length)
    return body if len(body) == length else None


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer the frames of ``source`` until it ends. Raises ``BrokenPipeError`` with ``sink``."""
    setup = read_frame(source)
    if setup is None:
        return
    chain_id, rollup, rules = msgspec.msgpack.decode(setup, type=tuple[int, bytes, bytes])
    admitter = Admitter(Domain(chain_id, rollup), decode_rules(rules))
    decode = msgspec.msgpack.Decoder(tuple[int, list[bytes]]).decode
    encode = msgspec.msgpack.Encoder().encode
    while (frame := read_frame(source)) is not None:
        started = perf_counter_ns()
        now_ms, raws = decode(frame)
        answers = msgspec.Raw(admitter.admit_encoded(raws, now_ms))
        body = encode((perf_counter_ns() - started, answers))
        sink.write(len(body).to_bytes(4) + body)
        sink.flush()


def main() -> None:
    """Serve the process that started this one."""
    # Ctrl-C reaches every process of a terminal; when to stop is the node's decision alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
