"""Logs: events with values, one JSON object a line, or coloured lines for a person's terminal."""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

import structlog


class _LossyLogger(structlog.PrintLogger):
    """Loses a line that cannot be written: stations log, and none may end for that.

    The partition of the log may be full, or whoever read it has ended.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    debug = info = warning = error = critical = msg


def set_up_logs(level: str) -> None:
    """Write log events of ``level`` and above to the standard error stream.

    What it does not take is lost; a pipe that nobody empties holds up the caller.
    """
    if sys.stderr is None:
        # It was closed by whoever started us. The first file that is opened takes its descriptor,
        # and with it what libraries write to standard error; that must be none of the node's.
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as we live
    stream = sys.stderr
    for_person = stream.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if for_person else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_: _LossyLogger(stream),
        cache_logger_on_first_use=True,
    )
