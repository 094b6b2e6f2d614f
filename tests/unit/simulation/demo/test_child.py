"""The demo's programs end with it, and say where their log is when they do not do their part."""

import os
from pathlib import Path

import pytest

from node.simulation.demo.child import Child, ChildFailed

DEVNET = ("devnet", "--port", "0", "--block-time", "0")

FAILS = ("order",)
"""It lacks its arguments, and says so without loading more than the orders' own modules."""


async def test_leaving_ends_the_program(tmp_path: Path) -> None:
    async with Child("devnet", DEVNET, tmp_path) as child:
        assert not child.ended
    assert child.ended
    assert (tmp_path / "devnet.log").exists()


async def test_it_runs_out_of_reach_of_the_terminals_interrupt(tmp_path: Path) -> None:
    async with Child("devnet", DEVNET, tmp_path) as child:
        assert os.getsid(child.pid) == child.pid != os.getsid(0)


async def test_a_program_that_ends_without_its_file_has_failed(tmp_path: Path) -> None:
    async with Child("other", FAILS, tmp_path) as child:
        with pytest.raises(ChildFailed) as failure:
            await child.file(tmp_path / "ready.json", 60)
        assert failure.value.exit_code == await child.wait() != 0
        with pytest.raises(ChildFailed):
            await child.must_run()
        assert failure.value.log == str(tmp_path / "other.log")


async def test_a_program_may_write_its_file_as_the_last_thing_it_does(tmp_path: Path) -> None:
    (tmp_path / "ready.json").write_text('{"url": "here"}')
    async with Child("other", FAILS, tmp_path) as child:
        await child.wait()
        assert await child.file(tmp_path / "ready.json", 0) == {"url": "here"}
