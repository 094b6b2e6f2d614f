"""One chain of each kind for the whole run: starting one costs a second, a rollup on it 50 ms."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from node.adapters.anvil import AnvilProcess, find_anvil
from node.adapters.chain_process import ChainProcess
from node.adapters.devnet.process import DevnetProcess
from node.adapters.devnet.settings import DevnetSettings
from tests.integration.l1_stage import Exchange, Stage

ON_REQUEST = DevnetSettings(block_time_s=0)


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=["py-evm", pytest.param("anvil", marks=pytest.mark.anvil)],
)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    if request.param == "anvil" and find_anvil() is None:
        pytest.skip("anvil is not installed: npm install --no-save in contracts/ installs it")
    process: ChainProcess = (
        DevnetProcess(ON_REQUEST) if request.param == "py-evm" else AnvilProcess(ON_REQUEST)
    )
    async with process as chain:
        stage = Stage(chain.url)
        await stage.rpc("evm_setAutomine", True)
        try:
            yield stage
        finally:
            await stage.close()


@pytest_asyncio.fixture(loop_scope="session")
async def exchange(stage: Stage) -> Exchange:
    return await stage.open_exchange()
