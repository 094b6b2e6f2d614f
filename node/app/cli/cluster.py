"""The chunks of a plan on a Dask cluster, where one machine is too small.

Workers need this project installed, in the same version; they are sent functions by name and
arguments by value. What they compute depends on the seed alone, so a cluster gives what one process
gives.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

from node.planner.chunks import Call, Crew
from node.types.errors import ConfigInvalid, SchedulerUnavailable

_Result = TypeVar("_Result")

CONNECT_S = 10.0
WORKERS_S = 30.0
"""How long to wait for a scheduler to answer, and for it to have a worker."""


class Cluster:
    """A crew of whoever has joined the scheduler."""

    def __init__(self, library: ModuleType, client: Any) -> None:
        """Take ``distributed`` itself and a client of it that is connected."""
        self._library = library
        self._client = client

    def compute(
        self, work: Callable[..., _Result], calls: Sequence[Call]
    ) -> Iterator[tuple[int, _Result]]:
        """Yield the index and the result of each call, in whatever order they finish."""
        # Impure: two plans may ask the same and must not get each other's cancelled futures.
        futures = [self._client.submit(work, *call, pure=False) for call in calls]
        places = {future.key: index for index, future in enumerate(futures)}
        try:
            for future in self._library.as_completed(futures, loop=self._client.loop):
                yield places[future.key], future.result()
        finally:
            self._client.cancel(futures)


@contextmanager
def cluster(address: str) -> Iterator[Crew]:
    """Join the scheduler at ``address`` for as long as the context lasts.

    Raises ``ConfigInvalid`` where the extra is not installed or the address is none, and
    ``SchedulerUnavailable`` where nobody answers there or no worker has joined.
    """
    try:
        library = import_module("distributed")
    except ImportError:
        fault = (
            "--scheduler: distributed is not installed; from the checkout: pip install '.[cluster]'"
        )
        raise ConfigInvalid(faults=(fault,)) from None
    try:
        client = library.Client(address, timeout=CONNECT_S, set_as_default=False)
    except ValueError as error:
        raise ConfigInvalid(faults=(f"--scheduler: {address}: {error}",)) from None
    except (OSError, TimeoutError) as error:
        raise SchedulerUnavailable(address=address, detail=str(error)) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError:
            raise SchedulerUnavailable(address=address, detail="no worker has joined") from None
        yield Cluster(library, client)
