"""The verifier's loop: progress, and signatures checked beside the execution."""

import msgspec

from node.adapters.signature_pool import SignaturePool
from node.ports.chain_reader import InboxEntry
from node.types.commands import Command, PlaceOrders
from node.types.errors import ChainDisagrees
from node.verifier.rebuild import NO_BATCH
from node.verifier.service import InPlace, verify
from node.verifier.verdict import Difference, Fault
from tests.unit.verifier.example_chain import LOG, ExampleChain


async def test_progress_counts_the_batches_that_agreed() -> None:
    told: list[tuple[int, int]] = []
    verdict, state = await verify(
        ExampleChain(), InPlace(), lambda done, total: told.append((done, total))
    )
    assert verdict.ok
    assert told == [(done, 4) for done in range(5)]
    assert state is not None
    assert state.sequence == len(LOG.commands)


async def test_it_stops_at_the_first_difference() -> None:
    chain = ExampleChain()
    chain.change_header(1, new_root=bytes(32))
    told: list[tuple[int, int]] = []
    verdict, _ = await verify(chain, InPlace(), lambda done, total: told.append((done, total)))
    assert verdict.difference is not None
    assert (verdict.difference.fault, told[-1]) == (Fault.ROOT, (1, 4))


async def test_worker_processes_find_the_same_forgery() -> None:
    def forge_all(commands: list[Command]) -> None:
        for place, command in enumerate(commands):
            if isinstance(command, PlaceOrders):
                commands[place] = msgspec.structs.replace(command, nonce=command.nonce + 500)

    chain = ExampleChain()
    with SignaturePool(workers=1) as pool:
        honest, _ = await verify(chain, pool, lambda *_: None)
        chain.change_commands(2, forge_all)
        pooled, _ = await verify(chain, pool, lambda *_: None)
    in_place, _ = await verify(chain, InPlace(), lambda *_: None)
    assert honest.ok
    assert pooled.difference is not None
    assert pooled.difference.fault is Fault.SIGNATURE
    assert pooled == in_place


async def test_an_inbox_that_contradicts_itself_is_a_difference() -> None:
    class TwoFaced(ExampleChain):
        async def deposits(self) -> tuple[InboxEntry, ...]:
            raise ChainDisagrees(what="deposits", expected=2, found=1)

    verdict, _ = await verify(TwoFaced(), InPlace(), lambda *_: None)
    assert verdict.difference == Difference(Fault.CONTRADICTION, NO_BATCH, "deposits 2", "1")
