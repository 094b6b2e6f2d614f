"""What a node stands on: what a start brings along, and that a broken one leaves nothing behind."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from node.adapters.data_folder import DataFolder
from node.adapters.identity import Identity
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.replica_session import Position, ReplicaSetup
from node.app import foundation
from node.app.config import read_config
from node.app.foundation import build_on, lay
from node.app.platform import this_machine
from node.settlement.contracts import LOG_TRIES, Contracts
from node.simulation.rehearsal.stage import InlineReplica
from node.types.blocks import Domain
from node.types.errors import WrongContract
from tests.examples import DOMAIN
from tests.unit.app.laid_folder import CONFIG, CONTRACTS, lay_log
from tests.unit.transition.example_log import example_log


class EndlessReplica(InlineReplica):
    """Has more to replay than anyone waits for."""

    def __init__(self, setup: ReplicaSetup) -> None:
        super().__init__(setup)
        self.closed = False

    async def start(self) -> Position:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("final", [0, 1])
async def test_a_start_brings_the_deposits_since_the_last_final_state(
    tmp_path: Path, final: int
) -> None:
    log = example_log()
    _, base = await lay_log(tmp_path, log, sealed=2, final=final)
    await base.close()
    # The first block has taken in two of them.
    assert base.deposits == tuple(log.deposits[2 * final :])
    assert base.state.inbox_cursor == len(log.deposits) == 4


async def test_a_replica_whose_start_is_cancelled_is_closed(tmp_path: Path) -> None:
    config = read_config(CONFIG)
    made: list[EndlessReplica] = []
    begun = asyncio.Event()

    def make(setup: ReplicaSetup) -> EndlessReplica:
        made.append(EndlessReplica(setup))
        begun.set()
        return made[0]

    platform = msgspec.structs.replace(this_machine(0), make_replica=make)
    folder = DataFolder(tmp_path, Identity.of(DOMAIN, config.rules))
    chain = L1Chain("http://127.0.0.1:1")
    signer = KeySigner(b"\7" * 32)
    building = asyncio.create_task(
        build_on(folder, config, chain, signer, DOMAIN, CONTRACTS, platform)
    )
    async with asyncio.timeout(10):
        await begun.wait()
        building.cancel()
        await asyncio.wait([building])
    folder.close()
    assert building.cancelled()
    assert made[0].closed


@pytest.mark.parametrize(("deployed", "asked"), [(True, LOG_TRIES), (False, 1)])
async def test_contracts_just_deployed_are_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, deployed: bool, asked: int
) -> None:
    asks = 0

    async def chain_id(_: L1Chain) -> int:
        return DOMAIN.chain_id

    async def find_or_deploy(*_: object) -> tuple[Domain, bool]:
        return DOMAIN, deployed

    async def check_contracts(*_: object, **__: object) -> Contracts:
        nonlocal asks
        asks += 1
        raise WrongContract(address=DOMAIN.rollup, detail="no code")

    monkeypatch.setattr(L1Chain, "chain_id", chain_id)
    monkeypatch.setattr(foundation, "find_or_deploy", find_or_deploy)
    monkeypatch.setattr(foundation, "check_contracts", check_contracts)
    monkeypatch.setattr(foundation, "LOG_RETRY_S", 0.0)
    config = msgspec.structs.replace(read_config(CONFIG), data=tmp_path)
    with pytest.raises(WrongContract):
        await lay(config, this_machine(0))
    assert asks == asked
