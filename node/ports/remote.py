"""An object that lives elsewhere."""

from typing import Protocol, TypeVar

T = TypeVar("T")


class Remote(Protocol):
    """Calls the methods of an object in a process of its own."""

    @property
    def pid(self) -> int | None:
        """Return the id of the process, None while there is none."""
        ...

    @property
    def starts(self) -> int:
        """Return how often the process was started: each time, the object began anew."""
        ...

    async def ask(self, kind: type[T], method: str, *arguments: object) -> T:
        """Return what the object's ``method`` returns, which must be a ``kind``.

        Raises the ``PlimsollError`` that the method raised, or ``IntegrityError``.
        """
        ...

    async def close(self) -> None:
        """End the process."""
        ...
