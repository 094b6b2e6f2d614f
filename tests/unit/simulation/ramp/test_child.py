"""The generator's process ends before its work is done: whoever waits for it is told."""

import pytest

from node.simulation.ramp.child import GeneratorFailed, GeneratorProcess
from node.simulation.ramp.messages import Mix, Prepare, Setup


async def test_a_generator_that_cannot_read_the_rules_ends_and_says_so() -> None:
    setup = Setup(
        port=0,
        chain_id=1,
        rollup=bytes(20),
        rules=b"no rules",
        mix=Mix.SINGLE,
        accounts=1,
        first_nonces=[1],
        middle=1,
        seed=0,
        connections=1,
    )
    async with GeneratorProcess(setup) as generator:
        with pytest.raises(GeneratorFailed) as failure:
            await generator.prepare(Prepare(rate=1.0, seconds=1.0))
    assert failure.value.values == {"exit_code": 1}
