"""What can be said of an order on the command line: the words, and the options that take them."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from node.ports.api import DEADLINE_MS_MAX
from node.types.units import UINT64_MAX

EXPIRES_S_MAX: Final = 366 * 24 * 3_600
"""The longest that any exchange's rules let an action be good for."""


class SideName(StrEnum):
    """Sides, as they are typed."""

    BUY = "buy"
    SELL = "sell"


class TypeName(StrEnum):
    """Order types, as they are typed."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post-only"
    MARKET = "market"
    POST_ONLY_SLIDE = "post-only-slide"


class SelfTradeName(StrEnum):
    """What becomes of two orders of one account that meet, as it is typed."""

    CANCEL_MAKER = "cancel-maker"
    CANCEL_TAKER = "cancel-taker"
    CANCEL_BOTH = "cancel-both"
    DECREMENT = "decrement"


TypeOption = Annotated[
    TypeName | None, typer.Option("--type", help="Default: gtc with a price, market without.")
]
SlippageOption = Annotated[
    float,
    typer.Option(min=0.0, max=0.9, help="How far from the mark a market order may go."),
]
SelfTradeOption = Annotated[
    SelfTradeName, typer.Option(help="What to do where it meets an order of your own.")
]
GoodTillOption = Annotated[
    str | None,
    typer.Option(help="When it ends: 90s, 15m, 4h or 2d from now, or ms since 1970."),
]
StopOption = Annotated[
    str | None,
    typer.Option(help="Wait until the mark has moved here: up for a buy, down for a sell."),
]
TakeProfitOption = Annotated[
    str | None,
    typer.Option(help="Wait until the mark has moved here: down for a buy, up for a sell."),
]
GroupOption = Annotated[
    int,
    typer.Option(min=0, max=UINT64_MAX, help="Of two orders with one number, one ends both."),
]
MaxFeeOption = Annotated[
    str | None,
    typer.Option(help="The most to pay for a unit of work; default: what it can reach in 5 s."),
]
ExpiresOption = Annotated[
    int, typer.Option(min=1, max=EXPIRES_S_MAX, help="Seconds until the signed order is void.")
]
DeadlineOption = Annotated[
    int | None,
    typer.Option(min=1, max=DEADLINE_MS_MAX, help="Drop it if it is not begun in so many ms."),
]
RetryOption = Annotated[
    bool, typer.Option("--retry", help="Send it again while the node is overloaded.")
]
PreviewOption = Annotated[
    bool, typer.Option("--preview", help="Show what it would come to, and send nothing.")
]
