"""What an endpoint and a parameter of the REST side are described by."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from node.app.contract.errors import Errors

JSON: Final = "application/json"
TEXT: Final = "text/plain"

ADDRESS: Final = Annotated[str, Meta(pattern=r"^0[xX][0-9a-fA-F]{40}$")]
SYMBOL: Final = Annotated[str, Meta(min_length=1, max_length=32)]


class Parameter(Struct, frozen=True):
    """A value in the path, or one in the query, which may be left out unless it is ``needed``."""

    name: str
    where: Literal["path", "query"]
    type: Any
    about: str
    bounds: tuple[int, int] | None = None
    """Lowest and highest value, where they are more than msgspec can write into a type."""
    needed: bool = False


class Endpoint(Struct, frozen=True):
    """One method of one path.

    ``answer`` is the type of a success; None: a text. ``otherwise`` are answers that are no
    failures, by status. ``errors`` come on top of those that every endpoint has.
    """

    method: Literal["get", "post"]
    path: str
    about: str
    answer: Any = None
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    errors: Errors = ()
    headers: tuple[str, ...] = ()
    otherwise: dict[int, Any] = {}
    content: str = JSON
