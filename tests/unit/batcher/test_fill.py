"""How full batches of real commands come out, whatever their blocks looked like before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.app.config import read_config
from node.batcher.builder import BatchBuilder, BlockBytes
from node.batcher.config import BatcherConfig
from node.batcher.policy import SealCause, SealPolicy
from node.client.wallet import Wallet
from node.codec.batch import encode_batch
from node.codec.commands import command_bytes, encode_block
from node.codec.eip712 import Signing
from node.simulation.flow.generator import Intent
from node.simulation.replay.sources import flow_source, read_flow_config
from node.simulation.replay.trader import action_of, coarse_expiry
from node.types.blocks import Block, Domain
from node.types.commands import Command, OpenBlock
from node.types.ids import Address, Sequence
from node.types.units import Millis

CONFIGS = Path(__file__).parents[3] / "configs"
AIM = 20_000
CALM, RUSH = 400, 2_000
"""Actions in blocks of their own, a batch each 20; then in blocks of ten."""


@pytest.fixture(scope="module")
def actions() -> list[Command]:
    """The first actions of the bundled flow."""
    rules = read_config(CONFIGS / "devnet.toml").rules
    source = flow_source(read_flow_config(CONFIGS / "flows" / "demo.toml"), rules)
    signing = Signing(Domain(1, Address(bytes(20))), rules)
    wallets = [Wallet(key.secret, signing) for key in source.accounts]
    intents = (event for event in source.events if isinstance(event, Intent))
    return [
        action_of(
            wallets[intent.account], intent, coarse_expiry(Millis(intent.time_ns // 1_000_000))
        )
        for intent, _ in zip(intents, range(CALM + RUSH), strict=False)
    ]


def blocks_of(actions: list[Command], each: int, first: int) -> Iterator[Block]:
    for number, at in enumerate(range(0, len(actions), each), start=first):
        commands = (OpenBlock(number, Millis(number)), *actions[at : at + each])
        noise = [bytes([place % 256, number % 256]) * 16 for place in range(len(commands))]
        yield Block(
            number, Millis(number), Sequence(0), commands, tuple(noise), noise[0], noise[1],
            bytes(65), bytes(32),
        )  # fmt: skip


def test_after_a_calm_of_small_blocks_a_rush_fills_its_batches(actions: list[Command]) -> None:
    policy = SealPolicy(BatcherConfig(data_bytes_max=AIM), root_interval=1_000)
    builder = BatchBuilder(policy, Sequence(1))
    commands: list[Command] = []
    sizes: list[tuple[SealCause, int]] = []

    def put(block: Block, *, flush: bool) -> None:
        commands.extend(block.commands)
        encoded, count = encode_block(block), len(block.commands)
        first = builder.next_sequence
        last = Sequence(first + count - 1)
        closed = builder.add(
            BlockBytes(encoded, command_bytes(block, encoded), first, last), now_ns=0
        )
        rest = builder.close() if flush else None
        for one in [*closed, *([] if rest is None else [rest])]:
            data = encode_batch(commands[one.first_sequence - 1 : one.last_sequence])
            policy.learn(one.load, len(data))
            sizes.append((one.cause, len(data)))

    calm, rush = blocks_of(actions[:CALM], 1, 1), blocks_of(actions[CALM:], 10, CALM + 1)
    for place, block in enumerate(calm):
        put(block, flush=place % 20 == 19)
    for block in rush:
        put(block, flush=False)
    full = [size for cause, size in sizes if cause is SealCause.BYTES]
    assert len(full) >= 8
    assert all(0.75 * AIM < size < 1.1 * AIM for size in full), full
    # Once a large one was seen, what is missing is half a block on average, and noise.
    assert all(size > 0.92 * AIM for size in full[1:]), full
