"""A test chain in a child process: started, waited for, stopped."""

import asyncio
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import aiohttp

from node.adapters.process_end import end_within
from node.types.errors import ChainUnavailable

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 5.0
POLL_INTERVAL_S: Final = 0.05


class ChainProcess(ABC):
    """An async context manager around a child that serves JSON-RPC; subclasses start it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where the chain answers; known once the context is entered."""
        assert self._url, "the chain has not been started"
        return self._url

    @property
    def pid(self) -> int:
        """The child's process id."""
        assert self._process is not None, "the chain has not been started"
        return self._process.pid

    async def ended(self) -> int:
        """Wait until the child ends, for whatever reason; return its code."""
        assert self._process is not None, "the chain has not been started"
        return await self._process.wait()

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self._process = await self._spawn()
                self._url = await self._find_url(self._process)
                await self._wait_until_it_answers(self._process)
        except BaseException as error:
            await self._stop()
            if isinstance(error, TimeoutError):
                raise ChainUnavailable(
                    detail=f"{self._name}: no answer in {START_TIMEOUT_S} s"
                ) from error
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    @abstractmethod
    async def _spawn(self) -> asyncio.subprocess.Process:
        """Start the child."""

    @abstractmethod
    async def _find_url(self, process: asyncio.subprocess.Process) -> str:
        """Learn where the child is going to answer."""

    async def _wait_until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        async with aiohttp.ClientSession() as session:
            while process.returncode is None:
                # Until it listens, connecting fails.
                with suppress(aiohttp.ClientConnectionError):
                    async with session.post(self._url, json=request) as response:
                        if "result" in await response.json():
                            return
                await asyncio.sleep(POLL_INTERVAL_S)
        raise ChainUnavailable(detail=f"{self._name} ended with code {process.returncode}")

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        await end_within(process, STOP_TIMEOUT_S)


def free_port() -> int:
    """Return a port that was free a moment ago, for a chain that must be told one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
