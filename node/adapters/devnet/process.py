"""The devnet as a child process, for the app and for tests."""

import asyncio
import sys

from node.adapters.chain_process import ChainProcess
from node.adapters.child_environment import child_environment
from node.adapters.devnet.settings import DevnetSettings
from node.types.errors import ChainUnavailable


class DevnetProcess(ChainProcess):
    """``async with DevnetProcess() as chain:`` gives a chain at ``chain.url``.

    The child ends with its parent, however that dies: its stdin is a pipe that only the parent
    holds open.
    """

    def __init__(self, settings: DevnetSettings | None = None, *, port: int = 0) -> None:
        super().__init__(name="devnet")
        self._settings = settings or DevnetSettings()
        self._port = port

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "node.adapters.devnet",
            *self._arguments(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(),
            # Ctrl-C goes to the whole group of the terminal, but the parent must still drain to L1.
            start_new_session=True,
        )

    async def _find_url(self, process: asyncio.subprocess.Process) -> str:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise ChainUnavailable(detail=f"the devnet ended with code {await process.wait()}")
        return url

    def _arguments(self) -> list[str]:
        settings = self._settings
        given = {
            "--port": self._port,
            "--block-time": settings.block_time_s,
            "--chain-id": settings.chain_id,
            "--gas-limit": settings.gas_limit,
            "--accounts": settings.accounts,
            "--safe-depth": settings.safe_depth,
            "--finalized-depth": settings.finalized_depth,
        }
        return [*(str(part) for pair in given.items() for part in pair), "--until-eof"]
