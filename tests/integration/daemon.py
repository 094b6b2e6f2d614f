"""A whole node as a child process, and what a test does to it: start, ask, kill, stop, restart.

Everything here goes the way that an operator goes: the command line, the ready file, HTTP, signals.
"""

import asyncio
import io
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec
import pytest

from node.adapters.anvil import AnvilProcess, find_anvil
from node.adapters.chain_process import ChainProcess
from node.adapters.devnet.process import DevnetProcess
from node.adapters.devnet.settings import DevnetSettings
from node.app.cli import main

SOURCE: Final = Path(__file__).resolve().parents[2]
RULES_FILE: Final = SOURCE / "configs" / "rules.toml"
BLOCK_TIME_S: Final = 0.2

WITHIN_S: Final = 40.0
"""Far more than anything takes: a run on a busy machine must not fail for being slow."""

POLL_S: Final = 0.02
TELLS_WITHIN_S: Final = 3.0

ANVIL = (
    pytest.mark.anvil,
    pytest.mark.skipif(
        find_anvil() is None,
        reason="anvil is not installed: npm install --no-save in contracts/ installs it",
    ),
)
ON_EACH_CHAIN = pytest.mark.parametrize("backend", ["py-evm", pytest.param("anvil", marks=ANVIL)])

THOROUGHLY_ON_EACH_CHAIN = pytest.mark.parametrize(
    "backend",
    [
        "py-evm",
        pytest.param("anvil", marks=[*ANVIL, pytest.mark.thorough]),
    ],
)
"""For what hardly depends on the chain: anvil's turn comes with ``-m thorough``."""

Sections = dict[str, dict[str, Any]]

SWIFT: Final[Sections] = {
    "history": {"enabled": False},
    "l1": {"finality_blocks": 2},
    "batcher": {"age_ms_max": 150},
    "settlement": {
        "poll_ms": 50,
        "resend_after_ms": 300,
        "backoff_max_ms": 200,
        "inbox_confirmations": 1,
    },
}
"""A node that seals, posts and looks at L1 many times a second, so that tests need not wait.

Its history is two more processes that nobody asks: ``WITH_HISTORY`` is for tests that do.
"""

WITH_HISTORY: Final[dict[str, Any]] = {"enabled": True}


def swift(**sections: dict[str, Any]) -> Sections:
    """Return the swift configuration with keys of ``sections`` over it."""
    names = {*SWIFT, *sections}
    return {name: {**SWIFT.get(name, {}), **sections.get(name, {})} for name in names}


def chain_process(backend: str, **settings: Any) -> ChainProcess:
    """Return a chain of that kind that mines by itself, not yet started."""
    chosen = DevnetSettings(**{"block_time_s": BLOCK_TIME_S, **settings})
    return AnvilProcess(chosen) if backend == "anvil" else DevnetProcess(chosen)


class Child:
    """A ``plimsoll`` command that has ended."""

    def __init__(self, code: int, output: str, errors: str) -> None:
        self.code = code
        self.output = output
        self.errors = errors


async def plimsoll(*arguments: object, within_s: float = WITHIN_S, **variables: str) -> Child:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "node", *map(str, arguments)),
        cwd=SOURCE,
        env={**os.environ, "NO_COLOR": "1", **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within_s):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Child(process.returncode, output.decode(), errors.decode())


def plimsoll_here(*arguments: object) -> Child:
    """Run a command in this process: a new one would spend seconds on importing everything.

    It brings an event loop of its own, so beside a running one it needs a thread.
    """
    output, errors = io.StringIO(), io.StringIO()
    told = sys.argv
    sys.argv = ["plimsoll", *map(str, arguments)]
    try:
        with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = told
    code = ended.value.code
    assert isinstance(code, int)
    return Child(code, output.getvalue(), errors.getvalue())


async def ask_chain(url: str, method: str, *params: Any) -> Any:
    """Return the result of one JSON-RPC request; an error fails the test."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with aiohttp.ClientSession() as http, http.post(url, json=request) as response:
        answer = await response.json()
    assert "error" not in answer, answer
    return answer["result"]


async def until(what: str, reached: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the answer is true, and return it; fail with ``what`` when time is up."""
    deadline = time.monotonic() + WITHIN_S
    while not (answer := await reached()):
        assert time.monotonic() < deadline, f"did not happen in {WITHIN_S} s: {what}"
        await asyncio.sleep(POLL_S)
    return answer


class Daemon:
    """One node's configuration, data folder and port; the process behind them comes and goes."""

    def __init__(
        self,
        folder: Path,
        rpc: str,
        sections: Sections | None = None,
        more: tuple[str, ...] = (),
        module: str = "node",
    ) -> None:
        """``more`` are further arguments of ``plimsoll run``, ``module`` is what runs it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.rpc = rpc
        self.config = write_config(folder / "node.toml", SWIFT if sections is None else sections)
        self.url = ""
        self.rollup = ""
        self.starts = 0
        self._more = more
        self._module = module
        self._ready_file = folder / "ready.json"
        self._stats_file = folder / "stats.json"
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print("".join(self._log_lines()[-60:]))
        await self._end()

    async def start(self) -> None:
        """Start the process, again where it ran before, and wait until it serves."""
        self._ready_file.unlink(missing_ok=True)
        self._stats_file.unlink(missing_ok=True)
        self._process = await self._spawn()
        self.starts += 1
        while not self._ready_file.exists():
            assert self._process.returncode is None, "".join(self._log_lines()[-40:])
            await asyncio.sleep(POLL_S)
        ready = msgspec.json.decode(self._ready_file.read_bytes())
        # A restarted node must be found where its clients look for it.
        self.url, self.rollup = ready["url"], ready["rollup"]

    async def kill(self) -> None:
        """Kill -9, and wait until its children have noticed."""
        children = self.children()
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

        async def gone() -> bool:
            return not any(is_alive(child) for child in children)

        await until("the children of a killed node end", gone)

    async def ended(self) -> int:
        """Wait until the process ends by itself; return its code."""
        assert self._process is not None
        return await self._process.wait()

    async def tell(self) -> str:
        """Return what a ``telling_node`` that does not end waits for."""
        assert self._process is not None
        before = len(self._log_lines())
        self._process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(TELLS_WITHIN_S)
        return "".join(self._log_lines()[before:])

    async def stop(self) -> dict[str, Any]:
        """Stop in order; return the last figures."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            code = await self._process.wait()
        assert code == 0, "".join(self._log_lines()[-40:])
        stats: dict[str, Any] = msgspec.json.decode(self._stats_file.read_bytes())
        return stats

    async def get(self, path: str) -> dict[str, Any]:
        """Return the body of ``GET path``, whatever its status."""
        assert self._http is not None
        async with self._http.get(self.url + path) as response:
            body: dict[str, Any] = msgspec.json.decode(await response.read())
        return body

    async def text(self, path: str) -> str:
        """Return the body of ``GET path`` as it is."""
        assert self._http is not None
        async with self._http.get(self.url + path) as response:
            return await response.text()

    async def health(self) -> list[str]:
        """Return the reasons why the node cannot do its work."""
        reasons: list[str] = (await self.get("/health"))["reasons"]
        return reasons

    async def until_health(self, *reasons: str) -> None:
        """Wait until the node gives exactly these reasons, or, without any, is well."""

        async def reached() -> bool:
            return await self.health() == list(reasons)

        await until(f"health is {reasons}", reached)

    async def posted(self) -> int:
        """Return how many batches this process has seen on L1."""
        return int((await self.get("/stats"))["batches"]["posted"])

    async def until_posted(self, more: int) -> None:
        """Wait until ``more`` batches than now are on L1."""
        wanted = await self.posted() + more

        async def reached() -> bool:
            return await self.posted() >= wanted

        await until(f"{wanted} batches are posted", reached)

    def logged(self, event: str, **values: Any) -> list[dict[str, Any]]:
        """Return what the node has logged under ``event`` with ``values``."""
        found = []
        for line in self._log_lines():
            # A killed process leaves half a line.
            with suppress(msgspec.DecodeError):
                entry = msgspec.json.decode(line)
                if {**entry, "event": event, **values} == entry:
                    found.append(entry)
        return found

    async def until_logged(self, event: str, **values: Any) -> None:
        """Wait until the node logs ``event`` once more with ``values``."""
        before = len(self.logged(event, **values))

        async def reached() -> bool:
            return len(self.logged(event, **values)) > before

        await until(f"{event} is logged", reached)

    def children(self, of: str = "") -> list[int]:
        """Return the node's child processes whose command line contains ``of``."""
        assert self._process is not None
        # A child belongs to the thread that started it.
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        listed = [int(pid) for thread in threads for pid in thread.read_text().split()]
        return [pid for pid in listed if of in command_line(pid)]

    async def _spawn(self) -> asyncio.subprocess.Process:
        port = self.url.rpartition(":")[2] or "0"
        with (self.folder / "node.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module, "run", "--config", str(self.config)),
                *("--rpc", self.rpc, "--data", str(self.folder / "data"), "--port", port),
                *("--ready-file", str(self._ready_file)),
                *("--stats-file", str(self._stats_file)),
                *self._more,
                cwd=SOURCE,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._http is not None:
            await self._http.close()

    def _log_lines(self) -> list[str]:
        return (self.folder / "node.log").read_text(errors="replace").splitlines(keepends=True)


@asynccontextmanager
async def node_on_chain(
    folder: Path, backend: str, sections: Sections | None = None
) -> AsyncIterator[tuple[Daemon, ChainProcess]]:
    """Give a running node on a chain of its own."""
    async with (
        chain_process(backend) as chain,
        Daemon(folder, chain.url, sections) as daemon,
    ):
        yield daemon, chain


def write_config(file: Path, sections: Sections, **top: Any) -> Path:
    """Write a node's configuration; ``top`` are keys outside of any section."""
    tables: Sections = {"": {"rules": str(RULES_FILE), **top}, **sections}
    lines: list[str] = []
    for name, keys in tables.items():
        lines += [f"[{name}]"] if name else []
        lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in keys.items()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def command_line(pid: int) -> str:
    """Return how a process was started; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
