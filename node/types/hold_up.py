"""Why what is sealed is not on L1 yet: a closed list, so that alarms and pages can match on it."""

from enum import StrEnum


class HoldUp(StrEnum):
    """The one cause that settlement waits for now; each asks for an answer of its own.

    OUTAGE: L1 does not answer. GAS_PRICE: it asks for more than ``settlement.fees`` allows.
    UNFUNDED: the account that posts cannot pay for it. REORG: L1 took back what it had, deposits
    included. IN_FLIGHT: as many transactions as may wait in its pool wait there. BYTES: nothing of
    these, there is simply more than has been taken yet.
    """

    OUTAGE = "l1_outage"
    GAS_PRICE = "l1_gas_price"
    UNFUNDED = "l1_unfunded"
    REORG = "l1_reorg"
    IN_FLIGHT = "l1_in_flight"
    BYTES = "l1_bytes"
