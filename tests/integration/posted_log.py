"""What stands on L1, held against what the node said: the log, its roots, its acknowledgements."""

from typing import Any

from node.adapters.chain_reader import RollupReader
from node.adapters.l1_chain import L1Chain
from node.codec.batch import decode_batch
from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.ports.chain_reader import PostedBatch
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import Domain
from node.types.commands import Command
from node.types.events import Event, Filled, OrderAccepted
from node.types.ids import address_from_hex
from node.types.rules import Rules, decode_rules
from node.types.units import units_from_decimal
from node.verifier.service import InPlace, verify
from node.verifier.verdict import Verdict


class PostedLog:
    """Everything on L1, read and executed with an empty disk."""

    def __init__(
        self, domain: Domain, rules: Rules, batches: list[PostedBatch], verdict: Verdict
    ) -> None:
        self.domain = domain
        self.rules = rules
        self.signing = Signing(domain, rules)
        self.batches = batches
        self.verdict = verdict
        self.commands: list[Command] = [
            command for batch in batches for command in decode_batch(batch.data)
        ]
        self.state = State.genesis(rules, domain)
        self.events: list[tuple[Event, ...]] = [
            apply(self.state, command) for command in self.commands
        ]

    @classmethod
    async def read(cls, rpc: str, rollup: str) -> "PostedLog":
        """Read the rollup at ``rollup``; every batch must be there once, in order, and agree."""
        chain = L1Chain(rpc)
        try:
            reader = RollupReader(chain, address_from_hex(rollup))
            verdict, _ = await verify(reader, InPlace(), lambda _done, _total: None)
            terms = await reader.terms()
            batches = [batch async for batch in reader.batches()]
        finally:
            await chain.close()
        assert verdict.ok, verdict.difference
        assert [batch.header.index for batch in batches] == list(range(verdict.batches))
        ends = [0, *(batch.header.last_sequence for batch in batches)]
        assert [batch.header.first_sequence - 1 for batch in batches] == ends[:-1]
        return cls(terms.domain, decode_rules(terms.rules), batches, verdict)

    def require_roots(self, stats: dict[str, Any]) -> None:
        """The sequencer's own root, the contract's and the rebuilt one must be the same."""
        rebuilt = "0x" + self.verdict.roots[-1].hex()
        assert stats["roots"] == {"sequencer": rebuilt, "l1": rebuilt}
        assert stats["sequence"] == len(self.commands)
        assert stats["conserved"]
        assert stats["batches"]["posted"] <= stats["batches"]["sealed"]

    def require_all(self, acknowledged: list[dict[str, Any]]) -> None:
        """Each acknowledgement must stand at its sequence, under its id, with its fills."""
        assert acknowledged
        sequences = [result["sequence"] for result in acknowledged]
        assert len(set(sequences)) == len(sequences)
        for result in acknowledged:
            self._require(result)

    def _require(self, result: dict[str, Any]) -> None:
        place = result["sequence"] - 1
        assert place < len(self.commands), "an acknowledged command is not on L1"
        assert "0x" + command_id(self.commands[place], self.signing).hex() == result["id"]
        events = self.events[place]
        orders = {
            event.order_id: event.market for event in events if isinstance(event, OrderAccepted)
        }
        told = {item["order_id"]: item for item in result["results"] if "filled" in item}
        assert told.keys() == orders.keys()
        for order_id, market in orders.items():
            filled = sum(
                event.size
                for event in events
                if isinstance(event, Filled) and event.taker_order == order_id
            )
            decimals = self.rules.market(market).lot_decimals
            assert units_from_decimal(told[order_id]["filled"], decimals) == filled
