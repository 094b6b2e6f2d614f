"""Processor time under a name outlives the processes that bear it."""

import os
import time
from pathlib import Path

import pytest

from node.adapters import process_times
from node.adapters.process_times import OWN, ProcessTimes, cores, named, spent_ns_of, waited_ns


def test_a_replaced_worker_keeps_what_the_first_one_spent() -> None:
    pids = {"worker": 10}
    spent: dict[int, int | None] = {10: 5, 11: 3}
    times = ProcessTimes(lambda: pids, lambda pid: spent[pid])
    assert times.read()["worker"] == 5
    spent[10] = None
    assert times.read()["worker"] == 5
    pids["worker"] = 11
    assert times.read()["worker"] == 8
    spent[11] = 4
    assert times.read()["worker"] == 9
    del pids["worker"]
    assert times.read()["worker"] == 9


def test_workers_that_change_places_count_once() -> None:
    pids = {"worker_0": 10, "worker_1": 11}
    times = ProcessTimes(lambda: pids, lambda pid: {10: 100, 11: 30}[pid])
    before = times.read()
    pids.clear()
    pids["worker_0"] = 11
    after = times.read()
    assert after["worker_0"] + after["worker_1"] == before["worker_0"] + before["worker_1"]


def test_a_number_that_is_given_again_starts_anew() -> None:
    spent = {10: 50}
    times = ProcessTimes(lambda: {"worker": 10}, lambda pid: spent[pid])
    assert times.read()["worker"] == 50
    spent[10] = 2
    assert times.read()["worker"] == 52


def test_the_kernel_tells_of_this_process_and_of_none_that_is_gone() -> None:
    before = spent_ns_of(os.getpid())
    assert before is not None
    deadline = time.process_time_ns() + 30_000_000
    while time.process_time_ns() < deadline:
        pass
    after = spent_ns_of(os.getpid())
    assert after is not None
    assert after > before
    assert spent_ns_of(2**22 + 1) is None
    assert ProcessTimes(dict).read()[OWN] > 0
    assert cores() >= 1
    assert named("worker", [7, 8]) == {"worker_0": 7, "worker_1": 8}


@pytest.mark.parametrize(
    ("text", "waited"), [("1500 2500 3\n", 2_500), ("", None), ("1 x 2", None)]
)
def test_the_second_number_of_the_kernel_is_what_a_thread_waited(
    text: str, waited: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "schedstat"
    told.write_text(text)
    monkeypatch.setattr(process_times, "_SCHEDULING", told)
    assert waited_ns() == waited


def test_where_nobody_tells_of_waiting_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_times, "_SCHEDULING", tmp_path / "nothing")
    assert waited_ns() is None
