"""What the exchange itself does in the naive engine: clock, deposits, marks, funding."""

from node.types import errors
from node.types.commands import (
    Deposit,
    Liquidate,
    OpenBlock,
    OracleRound,
    SettleFunding,
    Side,
    Uncross,
)
from node.types.events import (
    BlockOpened,
    Deposited,
    FundingMoved,
    MarkMoved,
)
from node.types.ids import MarketId
from node.types.rules import Rules
from node.types.units import LAG_MAX, Ticks
from tests.property import naive_rules as rules_of
from tests.property.naive_exchange import (
    MARK_MAX,
    Exchange,
    Listed,
    Owner,
)
from tests.property.naive_liquidation import liquidate
from tests.property.naive_uncross import Uncrossing

TIME_MAX = 2**63 - 1
SAMPLE_MS = 1_000


class ExchangeCommands:
    """The commands that nobody signs, but for those about one account's orders."""

    def __init__(self, rules: Rules) -> None:
        self.exchange = Exchange(rules)

    def _market(self, market: MarketId, least: int = 1) -> Listed:
        """Return the market; with ``least`` 0 the number 0 is none in particular."""
        if not least <= market <= len(self.exchange.markets):
            raise errors.UnknownMarket(market=market)
        return self.exchange.markets[market - 1]

    def _open_block(self, command: OpenBlock) -> None:
        totals, fees = self.exchange.totals, self.exchange.rules.fees
        for market in self.exchange.markets:
            if self.exchange.gathered(market.market_id):
                raise errors.AuctionPending(market=market.market_id)
        if command.number != totals.block + 1 or not totals.time <= command.time <= TIME_MAX:
            raise errors.BlockOutOfOrder(
                number=command.number, expected=totals.block + 1, time=command.time, now=totals.time
            )
        if not 0 <= command.lag <= LAG_MAX:
            raise errors.ValueOutOfRange(field="lag", low=0, high=LAG_MAX)
        steps = command.time // fees.step_ms - totals.time // fees.step_ms
        low, high = rules_of.prices_of_work(fees, totals.fee_anchor, 1)
        if steps:
            low, high = rules_of.prices_of_work(fees, totals.fee, steps)
        if not low <= command.fee <= high:
            raise errors.FeeOutOfRange(fee=command.fee, low=low, high=high)
        if steps:
            low, high = rules_of.prices_of_work(fees, totals.fee, steps - 1)
            totals.fee_anchor = sorted((low, command.fee, high))[1]
        totals.block, totals.time = command.number, command.time
        totals.first_order = totals.next_order
        totals.fee, totals.lag = command.fee, command.lag
        self.exchange.events.append(
            BlockOpened(command.number, command.time, command.fee, command.lag)
        )

    def _deposit(self, command: Deposit) -> None:
        totals = self.exchange.totals
        if command.index != totals.inbox:
            raise errors.DepositOutOfOrder(index=command.index, expected=totals.inbox)
        if command.amount <= 0:
            raise errors.AmountInvalid(amount=command.amount)
        owner = self.exchange.owners.setdefault(command.account, Owner(command.account))
        owner.free += command.amount
        totals.deposited += command.amount
        totals.inbox += 1
        self.exchange.balance_changed(command.account)
        self.exchange.events.append(Deposited(command.index, command.account, command.amount))

    def _oracle_round(self, command: OracleRound) -> None:
        exchange, totals, time = self.exchange, self.exchange.totals, command.time
        self._check_round(command)
        totals.oracle_time = time
        for place, market in enumerate(exchange.markets):
            prices = sorted(report.prices[place] for report in command.reports)
            market.mark, market.mark_time = prices[(len(prices) - 1) // 2], time
            elapsed = time - market.anchor_time
            if market.anchor and elapsed >= SAMPLE_MS:
                market.variance = rules_of.next_variance(
                    market.rules.staleness, market.variance, market.anchor, market.mark, elapsed
                )
            if not market.anchor or elapsed >= SAMPLE_MS:
                market.anchor, market.anchor_time = market.mark, time
            market.funding_time = market.funding_time or self._next_funding(market)
            most = exchange.rules.limits.fills_per_order
            bid, ask = (exchange.living(market.market_id, side, most) for side in Side)
            if bid and ask:
                found = rules_of.premium(market.rules, bid.price, ask.price, market.mark)
                market.premium_sum += found
                market.samples += 1
            mark = Ticks(market.mark)
            exchange.events.append(MarkMoved(market.market_id, mark, time, market.variance))

    def _check_round(self, command: OracleRound) -> None:
        exchange, totals, rules = self.exchange, self.exchange.totals, self.exchange.rules
        latest = totals.time + rules.limits.oracle_ahead_ms
        fresh = [totals.time - market.rules.mark_stale_ms for market in exchange.markets]
        first = min(max(totals.oracle_time + 1, time) for time in fresh)
        if not first <= command.time <= latest:
            raise errors.OracleRoundRefused(time=command.time, after=first - 1, latest=latest)
        names = {report.reporter for report in command.reports}
        known = all(name in rules.reporters for name in names)
        if not known or len(names) < rules.quorum or len(names) < len(command.reports):
            raise errors.OracleRoundRefused(reporters=len(names), quorum=rules.quorum, known=known)
        for report in command.reports:
            sound = all(0 < price < MARK_MAX for price in report.prices)
            if not sound or len(report.prices) != len(exchange.markets):
                prices = list(report.prices)
                raise errors.OracleRoundRefused(reporter=report.reporter, prices=prices)

    def _next_funding(self, market: Listed) -> int:
        interval = market.rules.funding_interval_ms
        return self.exchange.totals.time // interval * interval + interval

    def _settle_funding(self, _command: SettleFunding) -> None:
        now, dated = self.exchange.totals.time, [m for m in self.exchange.markets if m.funding_time]
        due = [market for market in dated if market.funding_time <= now]
        if not due:
            next_at = min((market.funding_time for market in dated), default=0)
            raise errors.FundingNotDue(next_at=next_at, now=now)
        for market in due:
            move, market.carry = rules_of.funding(
                market.rules, market.premium_sum, market.samples, market.carry
            )
            market.index += move
            market.premium_sum = market.samples = 0
            market.funding_time = self._next_funding(market)
            self.exchange.events.append(FundingMoved(market.market_id, move, market.index))

    def _uncross(self, command: Uncross) -> None:
        Uncrossing(self.exchange, self._market(command.market)).run()

    def _liquidate(self, command: Liquidate) -> None:
        self._market(command.market)
        if command.account not in self.exchange.owners:
            raise errors.UnknownAccount(account=command.account)
        held = self.exchange.position(command.account, command.market)
        if not held.size:
            raise errors.NoPosition(market=command.market)
        liquidate(self.exchange, held)
