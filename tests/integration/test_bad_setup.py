"""A wrong set-up is told in one line with a stable code, and leaves nothing behind."""

import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from node.adapters.chain_process import ChainProcess, free_port
from node.adapters.data_folder import DataFolder
from node.adapters.devnet.keys import dev_key
from node.adapters.identity import Identity
from node.app.cli.daemon import DEFAULT_CONFIG
from node.app.config import read_config
from node.simulation.keys import dev_keys
from node.types.blocks import Domain
from node.types.errors import (
    AddressUnavailable,
    ChainUnavailable,
    ConfigInvalid,
    DataLocked,
    DeploymentFailed,
    PathUnusable,
    PlimsollError,
    WrongChain,
    WrongContract,
    WrongLog,
)
from tests.integration.daemon import (
    RULES_FILE,
    SWIFT,
    Child,
    Daemon,
    ask_chain,
    chain_process,
    plimsoll,
    plimsoll_here,
    until,
    write_config,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "http://127.0.0.1:1"
NO_CONTRACT = "0x00000000000000000000000000000000000000aa"

EXIT_SETUP = 2
EXIT_AWAY = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain() -> AsyncIterator[ChainProcess]:
    async with chain_process("py-evm") as chain:
        yield chain


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(
    chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Daemon]:
    """A node at work, whose chain, contracts and data others try to take."""
    async with Daemon(tmp_path_factory.mktemp("exchange"), chain.url) as daemon:
        yield daemon


def require_told(child: Child, error: type[PlimsollError], *details: str, code: int) -> None:
    """The last thing on stderr is the error, by code and name; there is no traceback."""
    assert child.code == code, child.errors
    assert "Traceback" not in child.errors
    line = next(line for line in child.errors.splitlines() if line.startswith("error "))
    assert line.startswith(f"error {error.code}: {error.__name__}"), child.errors
    for detail in details:
        assert detail in child.errors


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder``."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


async def run(folder: Path, rpc: str, *more: object, data: Path | None = None) -> Child:
    """Try to run a node with the configuration in ``folder``."""
    where = folder / "data" if data is None else data
    config = folder / "node.toml"
    if not config.exists():
        write_config(config, SWIFT)
    return await plimsoll("run", "--config", config, "--rpc", rpc, "--data", where, *more)


async def test_every_fault_of_a_configuration_is_told_at_once(tmp_path: Path) -> None:
    sections: dict[str, dict[str, Any]] = {
        "l1": {"rpcc": "x", "rollup": "0x12"},
        "sequencer": {"gather_ms": 999},
        "batcher": {"age_ms_max": 0},
    }
    write_config(tmp_path / "node.toml", sections, log_level="loud")
    child = await run(tmp_path, NOWHERE)
    faults = ("l1.rpcc: unknown key", "l1.rollup", "sequencer.gather_ms", "batcher.age_ms_max")
    require_told(child, ConfigInvalid, *faults, "log_level: loud", code=EXIT_SETUP)
    assert [*contents(tmp_path)] == ["node.toml"]


async def test_what_is_typed_wrong_is_no_difference_on_the_chain(tmp_path: Path) -> None:
    child = await asyncio.to_thread(
        plimsoll_here,
        *("verify", "--rpc", NOWHERE, "--rollup", "0x12", "--json", tmp_path / "r.json"),
    )
    require_told(child, ConfigInvalid, "rollup: 0x12", code=EXIT_SETUP)
    child = await asyncio.to_thread(plimsoll_here, "deposit", "1.1234567", "--node", NOWHERE)
    require_told(child, ConfigInvalid, "amount: 1.1234567", code=EXIT_SETUP)
    assert not contents(tmp_path)


async def test_nobody_at_home_is_told(tmp_path: Path) -> None:
    child = await run(tmp_path, NOWHERE, "--port", 0)
    require_told(child, ChainUnavailable, code=EXIT_AWAY)
    assert [*contents(tmp_path)] == ["node.toml"]
    child = await asyncio.to_thread(plimsoll_here, "deposit", "1", "--node", NOWHERE)
    assert (child.code, "error 2100: ConnectionLost" in child.errors) == (EXIT_AWAY, True)
    assert "Traceback" not in child.errors


async def test_an_occupied_port_stops_a_node_before_it_deploys_anything(
    tmp_path: Path, chain: ChainProcess
) -> None:
    deployer = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    before = await ask_chain(chain.url, "eth_getTransactionCount", deployer, "latest")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = await run(tmp_path, chain.url, "--port", port)
        require_told(child, AddressUnavailable, f"port={port}", code=EXIT_SETUP)
        child = await plimsoll("devnet", "--port", port)
        require_told(child, AddressUnavailable, f"port={port}", code=EXIT_SETUP)
    assert [*contents(tmp_path)] == ["node.toml"]
    assert await ask_chain(chain.url, "eth_getTransactionCount", deployer, "latest") == before


async def test_an_embedded_chain_that_finds_its_port_taken_names_it_and_the_option(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = await run(tmp_path, f"http://127.0.0.1:{port}", "--port", 0, "--embedded")
        require_told(child, AddressUnavailable, f"port={port}", "--rpc", code=EXIT_SETUP)
        # Whoever came in between is told by the chain itself.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "node.adapters.devnet", "--port", str(port)),
            stderr=asyncio.subprocess.PIPE,
        )
        told = (await process.communicate())[1].decode()
    assert told.startswith("devnet: AddressUnavailable(")
    assert "Traceback" not in told
    assert [*contents(tmp_path)] == ["node.toml"]


async def test_an_embedded_chain_does_not_know_what_a_used_folder_knows(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    identity = Identity.of(Domain(31_337, bytes(20)), read_config(DEFAULT_CONFIG).rules)
    with DataFolder(data, identity):
        pass
    before = contents(data)
    free = f"http://127.0.0.1:{free_port()}"
    child = await run(tmp_path, free, "--port", 0, "--embedded")
    require_told(child, ConfigInvalid, f"data: {data}", "--embedded", code=EXIT_SETUP)
    assert contents(data) == before


async def test_a_place_where_nothing_can_be_written_is_told_first(
    tmp_path: Path, chain: ChainProcess
) -> None:
    (tmp_path / "file").write_text("not a folder")
    child = await run(tmp_path, chain.url, "--port", 0, data=tmp_path / "file")
    require_told(child, PathUnusable, "not a folder", code=EXIT_SETUP)
    nowhere = tmp_path / "none" / "stats.json"
    child = await run(tmp_path, NOWHERE, "--stats-file", nowhere, "--ready-file", tmp_path)
    require_told(child, ConfigInvalid, "stats_file", "ready_file", code=EXIT_SETUP)
    assert [*contents(tmp_path)] == ["file", "node.toml"]


@pytest.mark.lengthy
async def test_another_contract_and_other_rules_are_refused(
    tmp_path: Path, exchange: Daemon
) -> None:
    child = await run(tmp_path, exchange.rpc, "--port", 0, "--rollup", NO_CONTRACT)
    require_told(child, WrongContract, "no code", NO_CONTRACT, code=EXIT_SETUP)
    other_rules = RULES_FILE.read_text(encoding="utf-8").replace("quorum = 2", "quorum = 3")
    (tmp_path / "rules.toml").write_text(other_rules, encoding="utf-8")
    write_config(tmp_path / "node.toml", SWIFT, rules="rules.toml")
    child = await run(tmp_path, exchange.rpc, "--port", 0, "--rollup", exchange.rollup)
    require_told(child, WrongContract, "rulesHash()", code=EXIT_SETUP)
    assert [*contents(tmp_path)] == ["node.toml", "rules.toml"]


@pytest.mark.lengthy
async def test_data_in_use_and_data_of_another_rollup_are_left_alone(
    tmp_path: Path, exchange: Daemon
) -> None:
    data = exchange.folder / "data"
    identity = (data / "identity.json").read_bytes()
    child = await run(tmp_path, exchange.rpc, "--port", 0, data=data)
    require_told(child, DataLocked, str(data), code=EXIT_SETUP)
    child = await run(tmp_path, exchange.rpc, "--port", 0, "--rollup", NO_CONTRACT, data=data)
    require_told(child, WrongChain, code=EXIT_SETUP)
    assert (data / "identity.json").read_bytes() == identity
    assert not await exchange.health()


@pytest.mark.lengthy
async def test_an_empty_folder_does_not_begin_a_log_anew_that_l1_has(
    tmp_path: Path, exchange: Daemon
) -> None:
    where = ("--node", exchange.url, "--rpc", exchange.rpc, "--faucet")
    deposit = await asyncio.to_thread(plimsoll_here, "deposit", "1", *where)
    assert deposit.code == 0, deposit.errors
    await until("a batch is posted", exchange.posted)
    child = await run(tmp_path, exchange.rpc, "--port", 0, "--rollup", exchange.rollup)
    require_told(child, WrongLog, f"where={tmp_path / 'data'}", "sealed=0", code=EXIT_SETUP)
    assert not list((tmp_path / "data" / "batches").glob("*.batch"))


@pytest.mark.lengthy
async def test_a_journal_of_another_chain_is_refused_and_not_touched(
    tmp_path: Path, exchange: Daemon
) -> None:
    shutil.copytree(exchange.folder / "data", tmp_path / "data")
    identity = tmp_path / "data" / "identity.json"
    fields = msgspec.json.decode(identity.read_bytes())
    # First the folder says so itself.
    identity.write_bytes(msgspec.json.encode({**fields, "chain_id": 5}))
    before = contents(tmp_path / "data")
    child = await run(tmp_path, exchange.rpc, "--port", 0)
    require_told(child, WrongChain, "expected=5", "found=31337", code=EXIT_SETUP)
    assert contents(tmp_path / "data") == before
    # Then a journal lies in a folder that is not its own.
    async with Daemon(tmp_path / "other", exchange.rpc) as other:
        await other.stop()
    journal = other.folder / "data" / "journal"
    shutil.rmtree(journal)
    shutil.copytree(exchange.folder / "data" / "journal", journal)
    before = contents(other.folder / "data")
    child = await run(other.folder, exchange.rpc, "--port", 0)
    require_told(child, WrongChain, "journal", code=EXIT_SETUP)
    assert contents(other.folder / "data") == before


@pytest.mark.lengthy
async def test_a_public_key_is_for_devnets_only_and_a_poor_one_deploys_nothing(
    tmp_path: Path, chain: ChainProcess
) -> None:
    async with chain_process("py-evm", chain_id=99, block_time_s=0) as other:
        child = await run(tmp_path, other.url, "--port", 0)
    require_told(child, ConfigInvalid, "l1.key_file: is missing", "99", code=EXIT_SETUP)
    key = tmp_path / "key"
    for secret, mode, error in (
        (dev_key(0), 0o644, ConfigInvalid),
        (dev_keys("poor", 1)[0].secret, 0o600, DeploymentFailed),
    ):
        key.write_text(secret.hex())
        key.chmod(mode)
        write_config(tmp_path / "node.toml", {"l1": {"key_file": str(key)}})
        child = await run(tmp_path, chain.url, "--port", 0)
        require_told(child, error, code=EXIT_SETUP)
    assert [*contents(tmp_path)] == ["data/lock", "key", "node.toml"]


@pytest.mark.lengthy
async def test_nothing_is_paid_into_another_exchange_with_the_same_addresses(
    tmp_path: Path, exchange: Daemon
) -> None:
    async with chain_process("py-evm") as chain, Daemon(tmp_path / "other", chain.url) as other:
        assert other.rollup == exchange.rollup
        for command in (("deposit", "1", "--faucet"), ("withdraw", "1")):
            told = await asyncio.to_thread(
                plimsoll_here, *command, "--node", other.url, "--rpc", exchange.rpc
            )
            require_told(told, WrongChain, "to do: see that --node, --rpc", code=EXIT_SETUP)
            assert "faucet:" not in told.output
        done = await asyncio.to_thread(
            plimsoll_here, "deposit", "1", "--faucet", "--node", other.url, "--rpc", chain.url
        )
        assert done.code == 0, done.errors
