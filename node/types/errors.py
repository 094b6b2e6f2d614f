"""The one error tree. Codes are stable: clients and tests match on them, never on prose.

    PlimsollError
    ├── CommandRejected          the sender's fault; the state is untouched          1xxx
    │   ├── Malformed…           cannot be read                                      10xx
    │   ├── signature, nonce,    who sent it, and whether it may act now             11xx
    │   │   expiry, agent
    │   ├── order                price, size, market, ids                            12xx
    │   ├── margin               collateral, position                                13xx
    │   ├── system               oracle, funding, deposit, liquidation, block        14xx
    │   └── L1                   what a contract or the chain refuses its caller     15xx
    ├── Unavailable              try again later; nothing was taken on, or it is     2xxx
    │                            not known (2012)
    ├── IntegrityError           our fault or our disk's: stop the process           3xxx
    └── SetupError               the operator's fault: configuration, wrong chain    4xxx

Every error carries values as attributes; ``str(error)`` is made from them. In the transition they
are the log's integers; the API tells them as decimals and symbols (``node.codec.refusals``).
"""

# Longer than the limit because the tree of errors, with its codes, is read as one table.

from typing import Any, ClassVar, Final

_SHOWN_WHOLE: Final = 65
"""Up to a signature, bytes are shown whole: they name something. Longer ones are data."""
_SHOWN_BYTES: Final = 10


class PlimsollError(Exception):
    """Base of all errors of this project: a stable ``code`` and named values."""

    code: ClassVar[int] = 0

    def __init__(self, **values: Any) -> None:
        super().__init__(values)
        self.values: dict[str, Any] = values

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in self.values.items())
        return f"{type(self).__name__}({shown})"

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.values)


def _rebuild(kind: type[PlimsollError], values: dict[str, Any]) -> PlimsollError:
    """Unpickle: an error crosses process borders with its type and its values."""
    return kind(**values)


def _shown(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    if len(value) > _SHOWN_WHOLE:
        return f"0x{value[:_SHOWN_BYTES].hex()}… of {len(value)} bytes"
    return "0x" + value.hex()


# --- 1xxx: the sender's fault -------------------------------------------------------------------


class CommandRejected(PlimsollError):
    """The command cannot apply. Deterministic; the state is byte-identical to before."""

    code = 1000


class MalformedMessage(CommandRejected):
    """The body is not a message of the protocol (``detail`` says where it fails)."""

    code = 1001


class MalformedNumber(CommandRejected):
    """Not a plain decimal number with at most ``decimals`` digits after the point."""

    code = 1002


class MalformedAddress(CommandRejected):
    """Not ``0x`` and 40 hexadecimal digits."""

    code = 1003


class OversizedMessage(CommandRejected):
    """Longer than ``limit`` bytes."""

    code = 1004


class ValueOutOfRange(CommandRejected):
    """The field ``field`` lies outside the range that the protocol can carry."""

    code = 1005


class TooManyItems(CommandRejected):
    """More items in an action, or reports in an oracle round, than ``limit``, or none at all."""

    code = 1006


class SinceAhead(CommandRejected):
    """A feed cannot go on from message ``since``: the log has not come beyond ``last``."""

    code = 1007


class BadSignature(CommandRejected):
    """No key can be recovered from the signature (``digest`` is what should have been signed)."""

    code = 1101


class WrongSigner(CommandRejected):
    """``signer``, recovered over ``digest``, is neither the account nor one of its agents."""

    code = 1102


class OwnerRequired(CommandRejected):
    """Only the account's own key may sign this action, not the agent ``signer``."""

    code = 1103


class AgentExpired(CommandRejected):
    """The authority of the agent ``signer`` ended at ``expired_at`` (milliseconds)."""

    code = 1104


class NonceUsed(CommandRejected):
    """This nonce was used before, or lies below the window (``lowest``).

    To one who sends an action again it does not tell whether that one was executed.
    """

    code = 1105


class ActionExpired(CommandRejected):
    """The action's ``expires`` is not after ``now``, the exchange's time: if yours is off, compare.

    To one who sends an action again it does not tell whether that one was executed.
    """

    code = 1106


class ExpiryTooFar(CommandRejected):
    """The action's ``expires`` lies more than ``limit`` after ``now``, the exchange's time.

    All in milliseconds. If your clock is off, compare.
    """

    code = 1107


class NonceTooFar(CommandRejected):
    """The nonce skips further ahead than ``limit``: it would strand the window."""

    code = 1108


class TooManyAgents(CommandRejected):
    """The account has ``limit`` agents; one that ended counts for ``action_lifetime_ms`` more."""

    code = 1109


class AgentRefused(CommandRejected):
    """This address may not be an agent (it is the account itself, or the zero address)."""

    code = 1110


class UnknownAccount(CommandRejected):
    """The account never received a deposit (``signer`` was recovered over ``digest``)."""

    code = 1111


class LoginRequired(CommandRejected):
    """The account feed is for those who proved that they may act for the account."""

    code = 1112


class ForeignOrigin(CommandRejected):
    """A web page of another origin asks (``origin``); ``http.origins`` may allow it."""

    code = 1113


class UnknownHost(CommandRejected):
    """Asked for under a name that is not the node's (``host``); ``http.hosts`` gives it names."""

    code = 1114


class UnknownMarket(CommandRejected):
    """No market with this id or symbol."""

    code = 1201


class SizeInvalid(CommandRejected):
    """The size is zero, or larger than the market's largest bracket (``limit``)."""

    code = 1202


class NotionalTooSmall(CommandRejected):
    """Price x size is below the market's minimum notional (``minimum``)."""

    code = 1203


class PriceOutsideBand(CommandRejected):
    """The limit price lies outside ``low`` … ``high`` round the mark."""

    code = 1204


class MarkStale(CommandRejected):
    """The mark is older than allowed, or never was (no ``age_ms``): reducing orders alone pass."""

    code = 1205


class PostOnlyWouldCross(CommandRejected):
    """A post-only order would take (``best`` is the best opposing price)."""

    code = 1206


class FillOrKillUnfilled(CommandRejected):
    """The whole size cannot be filled at once."""

    code = 1207


class ReduceOnlyNothing(CommandRejected):
    """There is no opposing position that the order could reduce."""

    code = 1208


class DuplicateClientId(CommandRejected):
    """The account gave this client order id to ``order_id`` before: open, or among its last."""

    code = 1209


class UnknownOrder(CommandRejected):
    """The account has no open order with this id or client id; ``order_id`` may tell who had it."""

    code = 1210


class TooManyOpenOrders(CommandRejected):
    """The account already has ``limit`` open orders, and this one could become another."""

    code = 1211


class NothingToTake(CommandRejected):
    """An immediate order found nothing that it could take at its price."""

    code = 1212


class NothingToCancel(CommandRejected):
    """The account has no open order in that market."""

    code = 1213


class EveryItemRejected(CommandRejected):
    """No item of a bulk action could apply, so the action did not.

    ``errors``: why each could not, in the order of the items, with ``code``, ``name``, ``values``.
    """

    code = 1214


class RiskDataTooOld(CommandRejected):
    """Mark and settlement together are older (``age_ms``) than margin can bear now (``limit``).

    Nothing is opened and no margin taken out until they are younger, or the market calmer.
    """

    code = 1215


class OrderExpired(CommandRejected):
    """The order's own time is over (``good_till``, ``now``)."""

    code = 1216


class TriggerInvalid(CommandRejected):
    """A trigger needs a price, a price a trigger, and the mark must not have met it yet.

    ``trigger_price`` is what was named, ``mark`` where it stands.
    """

    code = 1217


class GroupFull(CommandRejected):
    """Two open orders have this ``group`` already: of those, one cancels the other."""

    code = 1218


class AmendInvalid(CommandRejected):
    """What is named cannot be amended like this (``detail``)."""

    code = 1219


class OutOfPhase(CommandRejected):
    """The market's blocks have an order: what cancels comes before what may trade (``market``)."""

    code = 1220


class AuctionFull(CommandRejected):
    """As many orders as an auction takes in, of all or of one account, have arrived (``limit``)."""

    code = 1221


class OrderTypeRefused(CommandRejected):
    """Where all trade at the block's end, an order of this ``type`` has no meaning (``market``)."""

    code = 1222


class InsufficientCollateral(CommandRejected):
    """The free collateral (``free``) does not cover what is ``required``.

    Of an order, the requirement holds the rate ``buffer`` for the age of the data.
    """

    code = 1301


class InsufficientMargin(CommandRejected):
    """The position's equity would fall below its requirement (``equity``, ``required``).

    The requirement holds the rate ``buffer`` for the age of the data. Of margin that is taken out
    it is no less than the position's profit on paper, which does not come out.
    """

    code = 1302


class NoPosition(CommandRejected):
    """The account has no position in that market."""

    code = 1303


class AmountInvalid(CommandRejected):
    """The amount is zero, negative where it may not be, or beyond the protocol's range."""

    code = 1304


class PositionTooLarge(CommandRejected):
    """The position would exceed the market's largest bracket (``limit``)."""

    code = 1305


class FeeAboveMax(CommandRejected):
    """A unit of work costs ``price`` now, more than the signer pays (``max_fee``)."""

    code = 1306


class NotLiquidatable(CommandRejected):
    """The position's equity (``equity``) still covers its maintenance margin (``required``)."""

    code = 1401


class LiquidationStalled(CommandRejected):
    """The book offers nothing at a price that the position, or the fund behind it, could bear."""

    code = 1402


class OracleRoundRefused(CommandRejected):
    """The round is not newer than the last, too old, ahead of the block, or lacks its quorum."""

    code = 1403


class FundingNotDue(CommandRejected):
    """No market's funding time has come (``next_at``, milliseconds)."""

    code = 1404


class DepositOutOfOrder(CommandRejected):
    """Deposits enter the log in the inbox's order (``expected`` index)."""

    code = 1405


class BlockOutOfOrder(CommandRejected):
    """Block numbers count up by one and block time never goes back."""

    code = 1406


class FeeOutOfRange(CommandRejected):
    """A block's price of work lies outside what the rules allow now (``low`` … ``high``)."""

    code = 1407


class NothingExpired(CommandRejected):
    """No order of the account has run out, and neither has its switch."""

    code = 1408


class NotTriggered(CommandRejected):
    """The mark has not reached the order's trigger price (``mark``, ``trigger_price``)."""

    code = 1409


class SwitchNotSet(CommandRejected):
    """The account did not ask that its orders be cancelled when it disconnects."""

    code = 1410


class NothingToUncross(CommandRejected):
    """Nothing arrived in ``market`` in this block, or it holds no auctions."""

    code = 1411


class AuctionPending(CommandRejected):
    """A block cannot end while orders wait for the auction of ``market``."""

    code = 1412


class CallReverted(CommandRejected):
    """The L1 contract at ``to`` refuses a call with its own ``error`` and ``arguments``.

    ``balance`` is what the payer of a deposit has, where that is too little.
    """

    code = 1501


class TransactionFailed(CommandRejected):
    """The L1 transaction ``transaction`` was refused (``detail``), or mined and failed."""

    code = 1502


# --- 2xxx: not now --------------------------------------------------------------------------------


class Unavailable(PlimsollError):
    """Nothing was taken on; the same request may succeed later."""

    code = 2000


class Overloaded(Unavailable):
    """The queue ``queue`` holds its limit (``limit``)."""

    code = 2001


class GateClosed(Unavailable):
    """For now (``cause``) only what reduces risk is taken; withdrawals and new agents are not."""

    code = 2002


class ShuttingDown(Unavailable):
    """The node is stopping."""

    code = 2003


class ChainUnavailable(Unavailable):
    """The L1 endpoint did not answer (``detail``)."""

    code = 2004


class SlowReader(Unavailable):
    """The subscriber did not read its feed in time and was disconnected."""

    code = 2005


class RateLimited(Unavailable):
    """More than is allowed of something (``of``; ``limit`` a second): come back later.

    After ``retry_after_ms`` it would fit, if nothing else were sent meanwhile.
    """

    code = 2006


class NotFound(Unavailable):
    """There is nothing (yet) under that name."""

    code = 2007


class Shed(Unavailable):
    """``queue`` waits too long (``delay_ms``): what adds risk is refused for ``retry_after_ms``."""

    code = 2008


class DeadlineExceeded(Unavailable):
    """The request waited (``waited_ms``) past its ``deadline_ms``, and was dropped."""

    code = 2009


class SchedulerUnavailable(Unavailable):
    """The scheduler of a cluster at ``address`` cannot be worked with (``detail``)."""

    code = 2010


class HistoryUnavailable(Unavailable):
    """The database of the history does not answer (``where``, ``detail``); the log is not touched.

    Nothing is lost: what it lacks is written from the journal once it answers again.
    """

    code = 2011


class TransactionUnseen(Unavailable):
    """L1 was sent ``transaction``, and in ``waited_s`` nobody told that it is in a block.

    It may still get there, also where the endpoint answered with an error (``detail``): who pays
    again may pay twice. With ``block`` it is a deposit in that one whose number nobody told.
    """

    code = 2012


# --- 3xxx: stop -----------------------------------------------------------------------------------


class IntegrityError(PlimsollError):
    """Something that cannot be is: the process must stop before it does harm."""

    code = 3000


class JournalCorrupt(IntegrityError):
    """A record inside the journal (not its torn tail) does not check (``offset``)."""

    code = 3001


class StateDiverged(IntegrityError):
    """Two executions of the same commands disagree (``where``)."""

    code = 3002


class BatchMalformed(IntegrityError):
    """Batch data cannot be decoded (``detail``)."""

    code = 3003


class ChainDisagrees(IntegrityError):
    """The chain holds what this node cannot have posted, or lacks what it must hold."""

    code = 3004


class TransitionImpossible(IntegrityError):
    """A lifecycle was asked for a step that its table does not have."""

    code = 3005


class DataMoved(IntegrityError):
    """At ``path`` is not the file any more that the node writes: moved, deleted, or another one.

    What was acknowledged is in the one that it was. To go on from a copy may be to go on without.
    """

    code = 3006


class DiskFailed(IntegrityError):
    """The disk failed at ``path`` (``errno``, ``detail``), or it is full; what it holds is sound.

    What was acknowledged is kept: the node may be started again as soon as there is room.
    """

    code = 3007


# --- 4xxx: the operator ---------------------------------------------------------------------------


class SetupError(PlimsollError):
    """The node cannot start as it is configured."""

    code = 4000


class ConfigInvalid(SetupError):
    """Faults of the configuration, all of them (``faults``: key, value, allowed range)."""

    code = 4001


class WrongChain(SetupError):
    """Journal, snapshot, contract, L1 endpoint or node is of another exchange than is meant."""

    code = 4002


class DataLocked(SetupError):
    """Another process uses this data folder, or the part of it at ``path``."""

    code = 4003


class WrongContract(SetupError):
    """The address does not hold the contract that it should (``address``, ``detail``)."""

    code = 4004


class ArtifactUnreadable(SetupError):
    """There is no readable artifact of the contract ``name`` at ``path`` (``detail``)."""

    code = 4005


class DeploymentFailed(SetupError):
    """No contract was created: L1 refuses (``detail``), or ``transaction`` was mined and failed."""

    code = 4006


class TapeMalformed(SetupError):
    """A row of the tape ``file`` cannot be read (``line``, ``column``, ``detail``)."""

    code = 4007


class AddressUnavailable(SetupError):
    """Nothing can listen on ``host`` and ``port`` (``detail``)."""

    code = 4008


class PathUnusable(SetupError):
    """The file or folder ``path`` cannot be read, made or written (``detail``)."""

    code = 4009


class MeasurementInvalid(SetupError):
    """Telemetry, record or calibration cannot be used (``faults``: key, value, allowed range)."""

    code = 4010


class HistoryGap(SetupError):
    """The log behind the history's end (``sequence``) is not on this disk any more (``oldest``).

    ``plimsoll history rebuild`` makes the history anew, from L1 where the journal is too short.
    """

    code = 4011


class HistoryUnusable(SetupError):
    """The database of the history cannot be used as it is (``where``, ``detail``)."""

    code = 4012


class WrongLog(SetupError):
    """The data at ``where`` are not the whole log that L1 has: other batches, or fewer.

    ``posted`` on L1, ``sealed`` in the folder. To go on would be to sign other blocks under numbers
    that are taken. Data are not made anew from L1: use the folder with the whole log.
    """

    code = 4013
