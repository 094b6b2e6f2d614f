"""Logs: a line that cannot be written is lost, and nothing else."""

import errno
import io
import os
import sys
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from node.app.logs import set_up_logs

LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


class Full(io.StringIO):
    """A log on a partition that is full until somebody makes room."""

    room = False

    def write(self, text: str) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Full]:
    """Give what logs are written to; those of other tests are left as they were."""
    before = structlog.get_config()
    stream = Full()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logs("debug")
    yield stream
    structlog.configure(**before)


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_full_disk_does_not_take_is_lost_alone(stream: Full, level: str) -> None:
    log = structlog.get_logger()
    getattr(log, level)("lost", batch=1)
    stream.room = True
    getattr(log, level)("written", batch=2)
    (line,) = stream.getvalue().splitlines()
    told = msgspec.json.decode(line)
    assert (told["event"], told["batch"]) == ("written", 2)


def test_the_end_of_whoever_read_the_log_ends_nobody_else(
    stream: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(stream, "write", broken)
    structlog.get_logger().info("batch_sealed", batch=1)
    assert not stream.getvalue()


def test_a_closed_standard_error_loses_the_log_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = structlog.get_config()
    monkeypatch.setattr(sys, "stderr", None)
    try:
        set_up_logs("debug")
        structlog.get_logger().info("batch_sealed", batch=1)
        assert sys.stderr.name == os.devnull
        sys.stderr.close()
    finally:
        structlog.configure(**before)
