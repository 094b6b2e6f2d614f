"""The two smallest adapters: real time, and a key in memory."""

import time

import pytest

from node.adapters.key_signer import KeySigner
from node.adapters.system_clock import SystemClock
from node.codec.signatures import address_of_private, recover, sign
from node.ports.clock import Clock
from node.ports.signer import Signer
from node.types.units import NS_PER_S

KEY = b"\x07" * 32


def test_the_clock_tells_the_time_and_never_runs_back() -> None:
    clock: Clock = SystemClock()
    before = time.time_ns() // 1_000_000
    assert before <= clock.now_ms() <= time.time_ns() // 1_000_000
    readings = [clock.now_ns() for _ in range(100)]
    assert readings == sorted(readings)


class SetByHand:
    """A machine: its wall clock may be set, its steady one only goes on."""

    def __init__(self) -> None:
        self.steady_ns = 5 * NS_PER_S
        self.wall_ns = 1_760_000_000 * NS_PER_S
        self.clock = SystemClock(lambda: self.wall_ns, lambda: self.steady_ns)

    def spend(self, seconds: float) -> int:
        """Let time go by, and return the seconds that the clock tells since the start."""
        self.steady_ns += round(seconds * NS_PER_S)
        self.wall_ns += round(seconds * NS_PER_S)
        return self.clock.now_ms() // 1_000 - 1_760_000_000

    def set(self, seconds: int) -> None:
        self.wall_ns += seconds * NS_PER_S


@pytest.mark.parametrize("jump_s", [7_200, -7_200, 6, -6])
def test_a_jump_of_the_wall_clock_is_not_followed_and_told(jump_s: int) -> None:
    machine = SetByHand()
    assert machine.spend(1) == 1
    machine.set(jump_s)
    assert machine.spend(1) == 2
    assert machine.clock.jump_ms == jump_s * 1_000
    assert machine.spend(3_600) == 3_602
    machine.set(-jump_s)
    assert machine.spend(1) == 3_603
    assert machine.clock.jump_ms == 0


def test_a_jump_is_taken_when_it_is_said_to_be_right() -> None:
    machine = SetByHand()
    machine.set(300)
    machine.clock.follow()
    assert (machine.spend(1), machine.clock.jump_ms) == (301, 0)


@pytest.mark.parametrize("step_s", [4, -4])
def test_a_correction_by_some_seconds_is_followed(step_s: int) -> None:
    machine = SetByHand()
    for step in range(1, 4):
        machine.set(step_s)
        assert machine.spend(10) == step * (10 + step_s)
        assert machine.clock.jump_ms == 0


def test_a_suspended_machine_catches_up() -> None:
    # The steady clock counts on meanwhile, and nobody has asked for the time.
    machine = SetByHand()
    assert machine.spend(86_400) == 86_400
    assert machine.clock.jump_ms == 0


def test_the_signer_signs_as_its_address() -> None:
    signer: Signer = KeySigner(KEY)
    signature = signer.sign(b"d" * 32)
    assert signature == sign(KEY, b"d" * 32)
    assert recover(b"d" * 32, signature) == signer.address == address_of_private(KEY)


@pytest.mark.parametrize("key", [bytes(32), b"short" * 20])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError):
        KeySigner(key)
