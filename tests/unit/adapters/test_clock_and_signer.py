"""The two smallest adapters: real time, and a key in memory."""

import time

import pytest

from node.adapters.key_signer import KeySigner
from node.adapters.system_clock import SystemClock
from node.codec.signatures import address_of_private, recover, sign
from node.ports.clock import Clock
from node.ports.signer import Signer

KEY = b"\x07" * 32


def test_the_clock_tells_the_time_and_never_runs_back() -> None:
    clock: Clock = SystemClock()
    before = time.time_ns() // 1_000_000
    assert before <= clock.now_ms() <= time.time_ns() // 1_000_000
    readings = [clock.now_ns() for _ in range(100)]
    assert readings == sorted(readings)


def test_the_signer_signs_as_its_address() -> None:
    signer: Signer = KeySigner(KEY)
    signature = signer.sign(b"d" * 32)
    assert signature == sign(KEY, b"d" * 32)
    assert recover(b"d" * 32, signature) == signer.address == address_of_private(KEY)


@pytest.mark.parametrize("key", [bytes(32), b"short" * 20])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError):
        KeySigner(key)
