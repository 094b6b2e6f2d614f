"""The files of a folder that are named by a number: all of one length, so names sort like numbers.

What else lies there is somebody's copy, or what a file system or a desktop leaves beside a file
(``._1.journal``): it is none of ours, and is named in a warning instead of being read or deleted.
"""

from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)


def numbered_files(folder: Path, digits: int, suffix: str) -> list[Path]:
    """Return the files in ``folder`` that are a number of ``digits`` and ``suffix``, in order.

    None where there is no such folder. Raises ``OSError`` where it cannot be listed.
    """
    length = digits + len(suffix)
    return sorted(
        path
        for path in _ending_with(folder, suffix)
        if len(path.name) == length and _is_number(path.name.removesuffix(suffix))
    )


def warn_of_others(folder: Path, digits: int, suffix: str) -> None:
    """Name in a warning what ends like those files and is none of them."""
    ours = set(numbered_files(folder, digits, suffix))
    for path in _ending_with(folder, suffix):
        if path not in ours:
            _log.warning("file_ignored", file=str(path))


def _ending_with(folder: Path, suffix: str) -> list[Path]:
    # Not by a pattern: of a folder that may not be listed it would say that nothing is there.
    try:
        return [path for path in folder.iterdir() if path.name.endswith(suffix)]
    except FileNotFoundError:
        return []


def _is_number(text: str) -> bool:
    # Other scripts have digits too.
    return text.isascii() and text.isdigit()
