"""What a child Python is given, so that it imports this very package wherever we were started."""

import os
from pathlib import Path
from typing import Final

SOURCE_ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder that holds the package ``node``."""


def child_environment() -> dict[str, str]:
    """Return our own environment, in which the package is found first."""
    paths = [str(SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
