"""``python -m node``, which says at SIGUSR1 where its threads are and what its tasks await."""

import asyncio
import faulthandler
import signal
import sys


def tell_tasks(*_signal: object) -> None:
    for task in asyncio.all_tasks():
        print(task.get_name(), "cancelled" if task.cancelling() else "", file=sys.stderr)
        awaited: object = task.get_coro()
        while (frame := getattr(awaited, "cr_frame", None)) is not None:
            code = frame.f_code
            print(f"  {code.co_filename}:{frame.f_lineno} {code.co_qualname}", file=sys.stderr)
            awaited = getattr(awaited, "cr_await", None)
        print(f"  {awaited}", file=sys.stderr, flush=True)


# Processes that the node starts import this file as well.
if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell_tasks)
    faulthandler.register(signal.SIGUSR1, chain=True)
    from node.app.cli import main

    main()
