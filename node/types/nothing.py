"""One empty dict for all who have none of something.

Most accounts have no agents, no names for their orders, no pairs of them. An empty dict for each of
these weighs 64 bytes; of a hundred thousand accounts four of them take 24 MiB.
"""

from types import MappingProxyType
from typing import Any, Final, cast

NOTHING: Final = cast("dict[Any, Any]", MappingProxyType[Any, Any]({}))
"""Stands for an empty dict until there is something to put in; writing to it raises TypeError."""
