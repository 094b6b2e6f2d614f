"""anvil as a child process: the same interface as the devnet's, so that tests run on both."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from node.adapters.chain_process import ChainProcess, free_port
from node.adapters.devnet.settings import ETHER, DevnetSettings
from node.types.errors import ChainUnavailable

MODULES: Final = Path(__file__).resolve().parents[2] / "contracts" / "node_modules"
BINARY_VARIABLE: Final = "PLIMSOLL_ANVIL"


def find_anvil(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The anvil to use, or None.

    Named by PLIMSOLL_ANVIL, else installed by npm in contracts/, else on the PATH.
    """
    named = environment.get(BINARY_VARIABLE)
    if named:
        return Path(named) if Path(named).is_file() else None
    # npm's own anvil is a script that starts this binary: one process less to stop.
    installed = sorted(MODULES.glob("@foundry-rs/anvil-*/bin/anvil*"))
    if installed:
        return installed[0]
    on_path = shutil.which("anvil", path=environment.get("PATH"))
    return Path(on_path) if on_path else None


class AnvilProcess(ChainProcess):
    """``async with AnvilProcess() as chain:`` gives a chain at ``chain.url``.

    Takes the settings of the devnet. The depths of the safe and finalized tags are anvil's own:
    with epochs of one slot they are one and two blocks.
    """

    def __init__(
        self, settings: DevnetSettings | None = None, *, binary: Path | None = None
    ) -> None:
        super().__init__(name="anvil")
        self._settings = settings or DevnetSettings()
        self._binary = binary or find_anvil()
        # anvil can pick one itself, but says which only where it also logs every request.
        self._port = free_port()

    async def _spawn(self) -> asyncio.subprocess.Process:
        if self._binary is None:
            raise ChainUnavailable(detail="no anvil found: npm install --no-save in contracts/")
        return await asyncio.create_subprocess_exec(
            self._binary,
            *self._arguments(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def _find_url(self, _: asyncio.subprocess.Process) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _arguments(self) -> list[str]:
        settings = self._settings
        timing = (
            ["--block-time", str(settings.block_time_s)]
            if settings.block_time_s > 0
            else ["--no-mining"]
        )
        given = {
            "--host": "127.0.0.1",
            "--port": self._port,
            "--chain-id": settings.chain_id,
            "--gas-limit": settings.gas_limit,
            "--accounts": settings.accounts,
            "--balance": settings.balance_wei // ETHER,
            "--slots-in-an-epoch": 1,
            "--hardfork": "prague",
        }
        return [*(str(part) for pair in given.items() for part in pair), *timing, "--quiet"]
