"""Reading configuration files: TOML, whose tables ``node.types.tables`` makes into structs."""

import tomllib
from pathlib import Path
from typing import Any

from node.types.errors import ConfigInvalid
from node.types.tables import Faults, in_range, read_section

__all__ = ["Faults", "in_range", "read_section", "read_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises ``ConfigInvalid`` if it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigInvalid(faults=(f"{path}: there is no such file",)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigInvalid(faults=(f"{path}: {error}",)) from None
