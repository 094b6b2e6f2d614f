"""What clients meet: the gate, the ingress behind it, the publisher and the views that answer."""

import secrets
from typing import TYPE_CHECKING

from node.adapters.admission_pool import AdmissionPool
from node.adapters.http.framing import text_frame
from node.adapters.mailbox import Mailbox
from node.app.load_line import load_frame
from node.app.overload import delay_limits_of, is_entitled
from node.app.work_price import FEE, fee_frame
from node.ingress.account_limits import AccountLimits
from node.ingress.door import Door, surroundings
from node.ingress.presence import Presence
from node.ingress.replies import Replies
from node.ingress.service import Ingress
from node.ingress.turnstile import Turnstile
from node.publisher.feeds import LOAD, Feeds
from node.publisher.preview import Previewer
from node.publisher.results import ResultWriter
from node.publisher.seed import accounts_of, books_of, marks_of
from node.publisher.service import Publisher
from node.publisher.views import Exchange, PublicViews
from node.sequencer.pace import WORK_MIN
from node.types.durable import DurableBlock
from node.types.ids import Sequence

if TYPE_CHECKING:
    from node.app.node import Node


def publisher_of(node: "Node", blocks: Mailbox[DurableBlock]) -> Publisher:
    """Return the publisher, its mirrors being the recovered state; it knows the replayed blocks."""
    base = node.base
    sequence = Sequence(base.state.sequence)
    feeds = Feeds(
        base.rules,
        books_of(base.state),
        accounts_of(base.state),
        marks_of(base.state),
        text_frame,
        sequence,
        base.tape,
    )
    publisher = Publisher(feeds, blocks, base.clock, node.config.publisher, sequence)
    publisher.add_source(FEE, lambda: fee_frame(node.price.quote()))
    publisher.add_source(LOAD, lambda: load_frame(node.load.line()))
    for block in base.recent:
        publisher.replayed(block)
    return publisher


def gate_of(node: "Node") -> AdmissionPool:
    """Return the gate."""
    base, config = node.base, node.config.sequencer
    return AdmissionPool(
        base.domain,
        base.rules,
        base.clock,
        start=base.platform.start_worker,
        workers=max(1, config.signature_workers),
        limit=config.admission_limit,
        delay=delay_limits_of(config),
    )


def ingress_of(node: "Node") -> Ingress:
    """Return the ingress; it answers again what the replayed blocks were answered with."""
    base = node.base
    render = ResultWriter(base.rules).write
    return Ingress(
        node.gate,
        node.sequencer,
        render,
        base.signing,
        base.rules,
        base.clock,
        AccountLimits(node.config.ingress, lambda action: is_entitled(base.state, action)),
        Turnstile(
            node.sequencer.late, delay_limits_of(node.config.sequencer).interval_ns, WORK_MIN
        ),
        Replies(render, base.recent),
    )


def door_of(node: "Node") -> Door:
    """Return the door; the clocks of orders hear who comes and who has gone."""
    base = node.base
    around = surroundings(
        node.ingress,
        node.publisher,
        base.signing,
        base.clock,
        node.config.ingress,
        base.rules,
        base.domain,
        base.signer.address,
        Presence(node.triggers.connected, node.triggers.disconnected),
    )
    return Door(around, lambda: secrets.token_bytes(32))


def views_of(node: "Node") -> PublicViews:
    """Return the answers to questions about the durable past."""
    base, publisher = node.base, node.publisher
    return PublicViews(
        Exchange(base.rules, base.domain, base.signer.address),
        publisher.feeds,
        publisher.history,
        lambda: publisher.cursors,
        lambda: publisher.last_sequence,
        node.desk.find,
        Previewer(base.state, base.clock, node.price.terms).preview,
        publisher.told,
    )
