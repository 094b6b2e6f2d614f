"""The end of the process that started this one: it ends this one as well."""

import ctypes
import multiprocessing
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, where it can (Linux).

    At once, and stopped or in the middle of a request: elsewhere a child finds its pipe at an end
    only once it reads from it. To be called in a child of ``multiprocessing`` that nothing but its
    parent needs, and whose files are whole at every moment.
    """
    if sys.platform != "linux":
        return
    # A sandbox may forbid it; the end of the pipe is left then.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        # It went before that, and nobody is told twice.
        os._exit(1)
