"""How many bytes a batch takes that holds, of a thinned flow, its part of a full batch.

Neither a header nor the oracle's rounds are thinned with the flow, addresses and columns pack worse
in small batches, and the bundled clients send other actions than the scenario. So it is not a share
of the scenario's limit, but what such a batch comes to when it is made.
"""

import math

import msgspec

from node.client.wallet import Wallet
from node.codec.batch import encode_batch
from node.codec.eip712 import Signing
from node.simulation.flow.config import FlowConfig
from node.simulation.flow.generator import Intent
from node.simulation.keys import dev_keys
from node.simulation.rehearsal.flow import scripted_source
from node.simulation.rehearsal.script import Script
from node.simulation.replay.trader import action_of, coarse_expiry
from node.types.blocks import Domain
from node.types.commands import Command, OpenBlock, OracleRound, PriceReport
from node.types.ids import Address
from node.types.rules import Rules
from node.types.units import NS_PER_MS, Millis

REPORTERS = 3
_SIGNATURE = bytes(65)
"""All signatures take the same."""


def full_batch_bytes(script: Script, clients: FlowConfig, rules: Rules) -> int:
    """Return the bytes of its data at the script's mean rate; 0 where nothing is sent.

    Each action and each round stands in a block of its own, as on a node that is not busy. Raises
    ``ConfigInvalid``.
    """
    rate = math.fsum(script.rate) / len(script.rate)
    if not rate:
        return 0
    fills_s = script.batch_items / (rate / script.scale + 1 / script.oracle_s)
    left = {True: max(1, round(rate * fills_s)), False: round(fills_s / script.oracle_s)}
    source = scripted_source(_steady(script, rate, fills_s), clients, rules)
    signing = Signing(Domain(1, Address(bytes(20))), rules)
    wallets = [Wallet(key.secret, signing) for key in source.accounts]
    reporters = dev_keys("reporter", REPORTERS)
    commands: list[Command] = []
    for event in source.events:
        if not left[isinstance(event, Intent)]:
            continue
        left[isinstance(event, Intent)] -= 1
        time = Millis(event.time_ns // NS_PER_MS)
        commands.append(OpenBlock(len(commands), time))
        if isinstance(event, Intent):
            commands.append(action_of(wallets[event.account], event, coarse_expiry(time)))
        else:
            reports = [PriceReport(key.address, event.prices, _SIGNATURE) for key in reporters]
            commands.append(OracleRound(time, tuple(reports)))
    return len(encode_batch(commands))


def _steady(script: Script, rate: float, seconds: float) -> Script:
    """Return a script of the mean rate and nothing else, long enough whatever chance does."""
    steps = math.ceil(2 * seconds / script.step_s) + 1
    return msgspec.structs.replace(
        script,
        rate=(rate,) * steps,
        price=(1.0,) * (steps + 1),
        oracle=(True,) * steps,
        faults=(),
        lead_s=0.0,
    )
