"""Every connection is an open file: so many must be allowed, or a crowd would stop the journal."""

import resource
from typing import Final

from node.adapters.http.config import HttpConfig
from node.adapters.http.connection import RESERVED
from node.types.errors import ConfigInvalid

OTHERS: Final = 256
"""Journal, pipes to processes, L1, the history, and those who are being hung up on."""


def require_files(config: HttpConfig) -> None:
    """Let this process open as many files as all connections need, and the node beside them.

    The limit that a shell sets is 1,024 in many places; up to the hard one any process may raise
    its own. Raises ``ConfigInvalid`` where that is too low as well.
    """
    needed = config.connections + config.plain_connections + RESERVED + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if unlimited not in (soft, hard) and needed > hard:
        detail = f"{needed} open files are needed with http.plain_connections, {hard} allowed"
        raise ConfigInvalid(faults=(f"http.connections: {config.connections}, {detail}",))
    if soft != unlimited and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
