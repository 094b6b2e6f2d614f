"""The people, the markets and the keys that tests share.

Keys are hashes of names: public, and the same in every run.
"""

from typing import Final, TypeVar

import msgspec

from node.codec.eip712 import Signing
from node.codec.signatures import address_of_private, sign
from node.types.blocks import Domain
from node.types.commands import Action, OracleRound, PriceReport
from node.types.fees import FREE
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.rules import Bracket, MarketRules, Rules
from node.types.units import Lots, Millis, Money, Ppm, Ticks

A = TypeVar("A", bound=Action)

DOLLAR: Final = 1_000_000
START_MS: Final = Millis(1_760_000_000_000)


class Person:
    """A key with its address."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = keccak256(name.encode())
        self.address = Address(address_of_private(self.key))

    def __repr__(self) -> str:
        return self.name


ALICE: Final = Person("alice")
BOB: Final = Person("bob")
CAROL: Final = Person("carol")
DAVE: Final = Person("dave")
MALLORY: Final = Person("mallory")
REPORTERS: Final = (Person("reporter 1"), Person("reporter 2"), Person("reporter 3"))

PEOPLE: Final = {
    person.address: person for person in (ALICE, BOB, CAROL, DAVE, MALLORY, *REPORTERS)
}

DOMAIN: Final = Domain(
    chain_id=31337, rollup=bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
)


def market_rules(symbol: str, tick_decimals: int) -> MarketRules:
    """Return the rules of a market like any other: 10 % initial, 5 % maintenance margin."""
    return MarketRules(
        symbol=symbol,
        tick_decimals=tick_decimals,
        lot_decimals=6 - tick_decimals,
        min_notional=Money(DOLLAR),
        price_band=Ppm(200_000),
        brackets=(
            Bracket(max_size=Lots(1_000_000), initial=Ppm(100_000), maintenance=Ppm(50_000)),
            Bracket(max_size=Lots(10_000_000), initial=Ppm(200_000), maintenance=Ppm(100_000)),
        ),
        maker_fee=Ppm(100),
        taker_fee=Ppm(500),
        liquidation_fee=Ppm(10_000),
        mark_stale_ms=Millis(60_000),
        funding_interval_ms=Millis(3_600_000),
        funding_cap=Ppm(7_500),
    )


RULES: Final = Rules(
    name="test exchange",
    markets=(market_rules("BTC-PERP", 2), market_rules("ETH-PERP", 2)),
    reporters=tuple(reporter.address for reporter in REPORTERS),
    quorum=2,
    fees=FREE,
    root_interval=20,
)
"""Work costs nothing here, so that sums of money show what they are about."""


def signed(action: A, person: Person, signing: Signing) -> A:
    """Return ``action`` as ``person`` signs it, for the account that it names."""
    unsigned = msgspec.structs.replace(action, signer=person.address, signature=b"")
    digest = signing.digest(unsigned)  # type: ignore[arg-type]
    return msgspec.structs.replace(unsigned, signature=sign(person.key, digest))


def oracle_round(time: Millis, prices: tuple[Ticks, ...], signing: Signing) -> OracleRound:
    """Return a round in which every reporter says the same."""
    digest = signing.report_digest(time, prices)
    return OracleRound(
        time,
        tuple(PriceReport(one.address, prices, sign(one.key, digest)) for one in REPORTERS),
    )
