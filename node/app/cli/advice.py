"""One line of what to do about an error, by its code; a family's own line where none fits better.

The codes are stable, so this table is as well. It stands at the command line and not beside the
errors: what to do depends on who asks.
"""

import errno
import math
import os
from collections.abc import Sequence
from typing import Final

from node.client.retry import retry_after_s
from node.types import errors
from node.types.errors import PlimsollError

_OF_CODE: Final[dict[int, str]] = {
    errors.WrongSigner.code: "the key is not the account's: see plimsoll keys show, --account",
    errors.OwnerRequired.code: "sign with the account's own key; an agent may not do this",
    errors.AgentExpired.code: "have the owner approve the agent anew: plimsoll keys approve",
    errors.AgentRefused.code: "name another address: neither the account itself nor zero",
    errors.TooManyAgents.code: "approve a known one anew (plimsoll keys agents), or wait"
    " action_lifetime_ms after an end",
    errors.NonceUsed.code: "send it again; another program may be using the same key",
    errors.NonceTooFar.code: "leave out --nonce, and the node is asked for the next one",
    errors.ActionExpired.code: "send it again; check this machine's clock if it happens often",
    errors.ExpiryTooFar.code: "name a shorter --expires-s",
    errors.SizeInvalid.code: "name a size above zero and up to the limit",
    errors.NotionalTooSmall.code: "name a larger size: price times size is below the minimum",
    errors.PriceOutsideBand.code: "name a price nearer to the mark, from low to high",
    errors.MarkStale.code: "wait for a new mark; reducing orders (--reduce-only) are taken",
    errors.PostOnlyWouldCross.code: "name a price that does not reach the other side's best",
    errors.FillOrKillUnfilled.code: "name a smaller size, or --type ioc to take what there is",
    errors.NothingToTake.code: "name a price or --slippage that reaches the book: plimsoll book",
    errors.ReduceOnlyNothing.code: "there is no position to reduce: plimsoll positions",
    errors.DuplicateClientId.code: "sent already, as order_id; another order needs another id",
    errors.UnknownOrder.code: "look at what is open: plimsoll orders",
    errors.NothingToCancel.code: "nothing is open there: plimsoll orders",
    errors.TooManyOpenOrders.code: "cancel some first: plimsoll cancel",
    errors.OrderExpired.code: "name a later --good-till, in the exchange's time",
    errors.TriggerInvalid.code: "name a --stop (or --trigger-price) that the mark has yet to reach",
    errors.GroupFull.code: "name another --group, or cancel one of its two orders first",
    errors.AmendInvalid.code: "look at the order as it stands: plimsoll orders",
    errors.OutOfPhase.code: "send the cancel again; it comes first in the next block",
    errors.AuctionFull.code: "send it again; the next block has room",
    errors.OrderTypeRefused.code: "name --type ioc or gtc: what a block gathers trades at its end",
    errors.EveryItemRejected.code: "mend what each line above names: docs/ERRORS.md",
    errors.RiskDataTooOld.code: "wait until L1 settles, or reduce only: plimsoll status",
    errors.InsufficientCollateral.code: "deposit more, or name a smaller size",
    errors.InsufficientMargin.code: "add margin or reduce the position",
    errors.NoPosition.code: "there is no position in that market: plimsoll positions",
    errors.PositionTooLarge.code: "name a smaller size",
    errors.FeeAboveMax.code: "raise --max-fee, or wait until work costs less: plimsoll status",
    errors.CallReverted.code: "the contract says why; nothing was paid",
    errors.Overloaded.code: "send it again in a moment",
    errors.GateClosed.code: "only what reduces risk is taken until L1 catches up: plimsoll status",
    errors.ShuttingDown.code: "the node stops; try again when it is back",
    errors.ChainUnavailable.code: "see that L1's endpoint runs and that --rpc names it",
    errors.RateLimited.code: "send fewer messages a second",
    errors.Shed.code: "try again after retry_after_ms",
    errors.DeadlineExceeded.code: "it was not executed; send it again, or name a later deadline",
    errors.DataMoved.code: "put the folder back that was there; a copy may lack what was promised",
    errors.DiskFailed.code: "make room there, then start again: what was acknowledged is kept",
    errors.ConfigInvalid.code: "mend each line above; --help tells what is allowed",
    errors.WrongChain.code: "see that --node, --rpc and --rollup are of one exchange",
    errors.DataLocked.code: "stop the other node (fuser tells the process), or name another --data",
    errors.AddressUnavailable.code: "name another --port; 0 picks a free one",
    errors.PathUnusable.code: "see that the path exists and is yours",
    errors.HistoryUnusable.code: "see history.enabled and history.url of the node: docs/HISTORY.md",
    errors.MeasurementInvalid.code: "mend each line; where nothing trades, run scripts/replay"
    " meanwhile, or a longer --seconds",
    errors.TransactionUnseen.code: "look for the transaction on L1 first: what it pays may be paid",
    errors.WrongLog.code: "name the --data folder that holds the exchange's whole log",
    2100: "see that the node runs and that --node names it: plimsoll status",
    2106: "set this machine's clock; if it is right, the node's is not",
    2110: "look before sending again: plimsoll orders, plimsoll positions",
    2111: "it is paid, so not again; are --node and --rpc of one exchange? plimsoll status",
    2124: "raise --within, or name fewer --mix",
}

_OF_FAMILY: Final[dict[int, str]] = {
    1: "mend the request; sent again as it is, it fails again",
    2: "nothing was taken on; try again later",
    3: "stop, keep the data as they are, and look for the cause before anything is started again",
    4: "mend the set-up; nothing was started",
}


_OF_COMMAND: Final = {
    (2110, "faucet"): "it may be paid; look before asking again: plimsoll positions --account",
    (2111, "faucet"): "it is paid; see whether the node follows L1: plimsoll status",
    (2124, "plan"): "name fewer --mix, or fewer --turns",
}
"""Where a command has not the options that the advice of the code names."""

_OF_PLACE: Final = {
    (errors.StateDiverged.code, "history"): "the history holds what the journal lacks: put the"
    " whole data folder back; if it is the history that is wrong, plimsoll history rebuild",
}
"""What depends on where the error was met."""

_MAY_RETRY: Final = ("order", "amend")
"""The commands that have --retry."""

_S_PER_MIN: Final = 60


def advice(error: PlimsollError, words: Sequence[str] = ()) -> str:
    """Return one line of what to do about ``error``, which the command line ``words`` met."""
    values = error.values
    match error:
        case errors.MarkStale() if "age_ms" not in values:
            return "no oracle has reported yet; scripts/replay is one on a devnet"
        case errors.UnknownAccount():
            return _deposit_first(words)
        case errors.Overloaded() | errors.Shed() if words and words[0] in _MAY_RETRY:
            return f"{_OF_CODE[error.code]}, or with --retry"
        case errors.RateLimited() if str(values.get("of")).startswith("faucet"):
            wait = _duration(retry_after_s(error))
            return f"it gives once in a while, to each account and address: again in {wait}"
        case errors.CallReverted() if "balance" in values:
            return f"the account has {values['balance']} dollars on L1; on a devnet --faucet helps"
        case errors.PathUnusable() if values.get("detail") == os.strerror(errno.EEXIST):
            return "something stands there, which is never overwritten: name another file"
        case errors.AddressUnavailable() if values.get("of") == "rpc":
            return "name another port for the chain: --rpc http://127.0.0.1:8546"
    own = _OF_COMMAND.get((error.code, words[0] if words else "")) or _OF_PLACE.get(
        (error.code, str(values.get("where")))
    )
    return (
        own or _OF_CODE.get(error.code) or _OF_FAMILY.get(error.code // 1_000, "see docs/ERRORS.md")
    )


def _deposit_first(words: Sequence[str]) -> str:
    """Return how to deposit for the account that ``words`` are about, where they are."""
    if _typed(words, "--account"):
        return "deposit first, with the account's own key: plimsoll deposit 1000"
    node = _typed(words, "--node")
    command = ["plimsoll deposit 1000", *_typed(words, "--key"), *node]
    if node:
        command.append("--rpc URL")
    return f"deposit first: {' '.join(command)}, on a devnet with --faucet"


def _typed(words: Sequence[str], option: str) -> list[str]:
    """Return ``option`` with its value as it was typed, nothing where it was not."""
    for place, word in enumerate(words):
        if word == option:
            return list(words[place : place + 2])
        if word.startswith(option + "="):
            return [word]
    return []


def _duration(seconds_left: float) -> str:
    """Return a time to wait, rounded up: in minutes from two of them on."""
    seconds = math.ceil(seconds_left)
    return f"{seconds} s" if seconds < 2 * _S_PER_MIN else f"{-(-seconds // _S_PER_MIN)} min"
