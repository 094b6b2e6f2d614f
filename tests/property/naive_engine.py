"""The whole transition once more, to be checked by reading it and not by its speed.

It holds a copy of the exchange from before every command and takes it back where the command is
rejected: that a rejection changes nothing is no property of its rules, but of the engine. Orders
stand in one list; positions, queues and sums are looked up from scratch. Shared with ``node`` is
the vocabulary alone: commands, events, errors, rules.

A new command is one more method, and one more row in ``_rule``.
"""

from collections.abc import Callable
from typing import Any

from node.types import errors
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    SetSwitch,
    SettleFunding,
    SignedAction,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.errors import CommandRejected
from node.types.events import (
    AgentChanged,
    CancelReason,
    Event,
    ItemRejected,
    Rejected,
    SwitchChanged,
    WithdrawalOpened,
    WorkCharged,
)
from node.types.ids import Address
from node.types.rules import Ordering, Rules
from node.types.units import Millis, Money
from tests.property import naive_rules as rules_of
from tests.property.naive_amends import Amending
from tests.property.naive_exchange import (
    NEVER,
    Held,
    Listed,
    Owner,
    Signer,
    Waiting,
)
from tests.property.naive_exchange_commands import ExchangeCommands
from tests.property.naive_orderings import check_room, require_first_phase
from tests.property.naive_orders import OrderEntry, require_fresh
from tests.property.naive_trade import cancel_others, take_off
from tests.property.naive_work import Work


class NaiveEngine(ExchangeCommands):
    """``apply`` is the transition."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self._rule: dict[type[Any], Callable[[Any], None]] = {
            PlaceOrders: self._place_orders,
            CancelAll: self._cancel_all,
            AdjustMargin: self._adjust_margin,
            Withdraw: self._withdraw,
            ApproveAgent: self._approve_agent,
            OpenBlock: self._open_block,
            Deposit: self._deposit,
            OracleRound: self._oracle_round,
            SettleFunding: self._settle_funding,
            Liquidate: self._liquidate,
            SetSwitch: self._set_switch,
            Expire: self._expire,
            Disconnected: self._disconnected,
            TriggerOrder: self._trigger,
            Uncross: self._uncross,
        }

    def apply(self, command: Command) -> tuple[Event, ...]:
        """Apply ``command`` and return what happened; a rejection leaves everything as it was."""
        before = self.exchange.copy()
        try:
            self._rule[type(command)](command)
        except CommandRejected as error:
            self.exchange = before
            return (Rejected(error.code, type(error).__name__, error.values),)
        cancel_others(self.exchange)
        self.exchange.totals.sequence += 1
        return self.exchange.finish()

    # --- who may act -----------------------------------------------------------------------------

    def _authorize(self, action: SignedAction, *, owner_only: bool = False) -> tuple[Owner, Signer]:
        exchange, now = self.exchange, self.exchange.totals.time
        owner = exchange.owners.get(action.account)
        if owner is None:
            raise errors.UnknownAccount(account=action.account)
        lifetime = exchange.rules.limits.action_lifetime_ms
        if action.expires <= now:
            raise errors.ActionExpired(expires=action.expires, now=now)
        if action.expires - now > lifetime:
            raise errors.ExpiryTooFar(expires=action.expires, now=now, limit=lifetime)
        signer = owner.key
        if action.signer != owner.address:
            if action.signer not in owner.agents:
                raise errors.WrongSigner(account=action.account, signer=action.signer)
            if owner_only:
                raise errors.OwnerRequired(account=action.account, signer=action.signer)
            signer = owner.agents[action.signer]
            if signer.until <= now:
                raise errors.AgentExpired(signer=action.signer, expired_at=signer.until)
        self._check_nonce(signer, action.nonce)
        return owner, signer

    def _check_nonce(self, signer: Signer, nonce: int) -> None:
        limits, highest = self.exchange.rules.limits, max(signer.used)
        if nonce > highest + limits.nonce_jump:
            raise errors.NonceTooFar(nonce=nonce, highest=highest, limit=limits.nonce_jump)
        lowest = highest - limits.nonce_window + 1
        if nonce in signer.used or nonce < lowest:
            raise errors.NonceUsed(nonce=nonce, highest=highest, lowest=max(0, lowest))

    # --- orders ----------------------------------------------------------------------------------

    def _place_orders(self, command: PlaceOrders) -> None:
        exchange = self.exchange
        items: list[CancelOrder | AmendOrder | NewOrder] = [
            *command.cancels, *command.amends, *command.orders
        ]  # fmt: skip
        limit = exchange.rules.limits.items_per_action
        if not 1 <= len(items) <= limit:
            raise errors.TooManyItems(items=len(items), limit=limit)
        owner, signer = self._authorize(command)
        work = Work(exchange, owner, command.max_fee)
        faults: dict[int, CommandRejected] = {}
        for place, item in enumerate(items):
            if place == len(command.cancels):
                work.hold_back(command)
            try:
                if isinstance(item, CancelOrder):
                    self._cancel(owner, item, command)
                elif isinstance(item, AmendOrder):
                    Amending(exchange, owner, item, work, place).amend()
                else:
                    OrderEntry(exchange, owner, item, work).enter(place)
            except CommandRejected as error:
                faults[place] = error
            gone = cancel_others(exchange)
            work.take(0 if place < len(command.cancels) else gone)
        killed = any(isinstance(one, errors.FillOrKillUnfilled) for one in faults.values())
        if len(faults) == len(items) and not (killed and work.paid):
            told = [
                {"code": one.code, "name": type(one).__name__, "values": one.values}
                for one in faults.values()
            ]
            raise faults[0] if len(faults) == 1 else errors.EveryItemRejected(errors=told)
        work.book()
        for place, fault in faults.items():
            name = type(fault).__name__
            exchange.events.append(ItemRejected(place, fault.code, name, fault.values))
        signer.used |= {command.nonce}

    def _cancel(self, owner: Owner, cancel: CancelOrder, action: PlaceOrders) -> None:
        order = self.exchange.open_order(owner, cancel.order_id, cancel.client_id)
        require_first_phase(self.exchange, order, action)
        take_off(self.exchange, order, CancelReason.BY_ACCOUNT)

    def _cancel_all(self, command: CancelAll) -> None:
        owner, signer = self._authorize(command)
        self._market(command.market, least=0)
        orders = self.exchange.open_of(owner.address, command.market)
        if not orders:
            raise errors.NothingToCancel(market=command.market)
        for order in orders:
            require_first_phase(self.exchange, order, command)
        for order in orders:
            take_off(self.exchange, order, CancelReason.BY_ACCOUNT)
        signer.used |= {command.nonce}

    # --- clocks ----------------------------------------------------------------------------------

    def _set_switch(self, command: SetSwitch) -> None:
        now, limits = self.exchange.totals.time, self.exchange.rules.limits
        owner, signer = self._authorize(command)
        latest = now + limits.action_lifetime_ms
        if command.cancel_at and not now < command.cancel_at <= latest:
            raise errors.ValueOutOfRange(field="cancel_at", low=now + 1, high=latest)
        self._switch(owner, command.cancel_at, on_disconnect=command.on_disconnect)
        signer.used |= {command.nonce}

    def _switch(self, owner: Owner, cancel_at: Millis, *, on_disconnect: bool) -> None:
        owner.switch_at, owner.switch_on_disconnect = cancel_at, on_disconnect
        self.exchange.events.append(SwitchChanged(owner.address, cancel_at, on_disconnect))

    def _expire(self, command: Expire) -> None:
        exchange = self.exchange
        owner = self._owner(command.account)
        if 0 < owner.switch_at <= exchange.totals.time:
            for order in exchange.open_of(owner.address):
                take_off(exchange, order, CancelReason.SWITCH)
            self._switch(owner, NEVER, on_disconnect=owner.switch_on_disconnect)
            return
        dead = [one for one in exchange.open_of(owner.address) if exchange.is_dead(one)]
        if not dead:
            raise errors.NothingExpired(account=owner.address)
        for order in dead:
            take_off(exchange, order, CancelReason.EXPIRED)

    def _disconnected(self, command: Disconnected) -> None:
        owner = self._owner(command.account)
        orders = self.exchange.open_of(owner.address)
        if not owner.switch_on_disconnect:
            raise errors.SwitchNotSet(account=owner.address)
        if not orders:
            raise errors.NothingToCancel(market=0)
        for order in orders:
            take_off(self.exchange, order, CancelReason.DISCONNECTED)

    def _trigger(self, command: TriggerOrder) -> None:
        exchange, totals = self.exchange, self.exchange.totals
        owner = self._owner(command.account)
        waiting = exchange.named(owner.address, command.order_id, 0)
        if not isinstance(waiting, Waiting):
            raise errors.UnknownOrder(order_id=command.order_id, client_id=0)
        if exchange.is_dead(waiting):
            take_off(exchange, waiting, CancelReason.EXPIRED)
            return
        market = exchange.markets[waiting.market - 1]
        if not waiting.reduce_only:
            require_fresh(exchange, market)
        if not waiting.is_met(market.mark):
            raise errors.NotTriggered(mark=market.mark, trigger_price=waiting.new.trigger_price)
        if market.rules.ordering is Ordering.AUCTION:
            check_room(exchange, owner.address, market, waiting.new.type)
        work = Work(exchange, owner, waiting.max_fee)
        entry = OrderEntry(exchange, owner, waiting.new, work, waiting)
        price = min(totals.fee, waiting.max_fee)
        units = 0 if waiting.reduce_only else exchange.rules.fees.per_fill
        entry.per_fill = price * units
        entry.trigger()
        if work.fills:
            amount = Money(work.fills * entry.per_fill)
            told = WorkCharged(owner.address, work.fills * units, Money(price), amount)
            exchange.events.append(told)

    def _owner(self, account: Address) -> Owner:
        owner = self.exchange.owners.get(account)
        if owner is None:
            raise errors.UnknownAccount(account=account)
        return owner

    # --- money and keys --------------------------------------------------------------------------

    def _adjust_margin(self, command: AdjustMargin) -> None:
        exchange = self.exchange
        owner, signer = self._authorize(command)
        market, amount = self._market(command.market), command.amount
        if not amount:
            raise errors.AmountInvalid(amount=amount)
        held = exchange.position(owner.address, command.market)
        if not held.size:
            raise errors.NoPosition(market=command.market)
        if amount > owner.free:
            raise errors.InsufficientCollateral(required=amount, free=owner.free)
        if amount < 0:
            self._check_removal(market, held, -amount)
        owner.free -= amount
        held.margin += amount
        exchange.balance_changed(owner.address)
        exchange.position_changed(held)
        signer.used |= {command.nonce}

    def _check_removal(self, market: Listed, held: Held, amount: int) -> None:
        require_fresh(self.exchange, market)
        settled, buffer = self.exchange.settled(held), self.exchange.buffer(market)
        left = self.exchange.equity(held) - amount
        rate = rules_of.initial_rate(market.rules, held.size, buffer)
        required = rules_of.share(rate, held.size, market.mark)
        on_paper = held.size * market.mark - held.entry
        if amount > settled or left < required:
            told = {"equity": left, "required": max(required, on_paper), "buffer": buffer}
            raise errors.InsufficientMargin(**told)

    def _withdraw(self, command: Withdraw) -> None:
        exchange, totals, amount = self.exchange, self.exchange.totals, command.amount
        owner, signer = self._authorize(command, owner_only=True)
        if amount <= 0:
            raise errors.AmountInvalid(amount=amount)
        everything = owner.free + exchange.reserved(owner.address)
        flat = not any(h.size for h in exchange.held.values() if h.account == owner.address)
        minimum = exchange.rules.limits.withdrawal_min
        if amount < minimum and not (flat and amount == everything == owner.free):
            raise errors.AmountInvalid(amount=amount, minimum=minimum)
        if amount > owner.free:
            raise errors.InsufficientCollateral(required=amount, free=owner.free)
        owner.free -= amount
        exchange.withdrawals[totals.next_withdrawal] = (owner.address, amount)
        exchange.balance_changed(owner.address)
        exchange.events.append(WithdrawalOpened(totals.next_withdrawal, owner.address, amount))
        totals.next_withdrawal += 1
        totals.withdrawn += amount
        signer.used |= {command.nonce}

    def _approve_agent(self, command: ApproveAgent) -> None:
        now, limits = self.exchange.totals.time, self.exchange.rules.limits
        owner, signer = self._authorize(command, owner_only=True)
        if command.agent in (bytes(20), owner.address):
            raise errors.AgentRefused(agent=command.agent)
        agent = owner.agents.get(command.agent)
        if agent is None:
            ended = sorted((one.until, address) for address, one in owner.agents.items())
            if ended and ended[0][0] + limits.action_lifetime_ms < now:
                del owner.agents[ended[0][1]]
            elif len(ended) >= limits.agents_per_account:
                raise errors.TooManyAgents(limit=limits.agents_per_account)
            agent = owner.agents[command.agent] = Signer(until=Millis(now))
        if command.until > now:
            agent.until = command.until
        elif agent.until > now:
            agent.until = Millis(now)
        told = AgentChanged(owner.address, command.agent, agent.until)
        self.exchange.events.append(told)
        signer.used |= {command.nonce}
