"""What is paid: never past the cap, always enough to replace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.codec.l1_gas import GAS_MAX
from node.codec.l1_transactions import Fees
from node.ports.chain import FeeSample
from node.settlement.config import SettlementConfig, check_settlement_config
from node.settlement.fees import FeePolicy, bump_fees, choose_fees, gas_limit
from node.types.errors import ConfigInvalid

POLICY = FeePolicy(tip_min=10, tip_max=1_000, max_fee_cap=100_000)


@pytest.mark.parametrize(
    ("base_fee", "tips", "expected"),
    [
        (100, (), Fees(210, 10)),
        (100, (1, 2, 3), Fees(210, 10)),
        (100, (50, 20, 90), Fees(250, 50)),
        (100, (50, 20), Fees(250, 50)),
        (100, (5_000,), Fees(1_200, 1_000)),
        (60_000, (50,), Fees(100_000, 50)),
        (99_990, (), Fees(100_000, 10)),
        (99_991, (), None),
    ],
)
def test_fees_follow_the_market_within_bounds(
    base_fee: int, tips: tuple[int, ...], expected: Fees | None
) -> None:
    assert choose_fees(FeeSample(base_fee, tips), POLICY) == expected


@given(
    st.integers(1, 100_000), st.integers(1, 100_000), st.integers(0, 200_000), st.integers(0, 9_999)
)
def test_a_replacement_is_an_eighth_dearer_or_none(
    max_fee: int, tip: int, base_fee: int, market_tip: int
) -> None:
    previous = Fees(max(max_fee, tip), tip)
    raised = bump_fees(previous, FeeSample(base_fee, (market_tip,)), POLICY)
    if raised is not None:
        assert 8 * raised.max_fee >= 9 * previous.max_fee
        assert 8 * raised.tip >= 9 * previous.tip
        assert raised.tip <= raised.max_fee <= POLICY.max_fee_cap


def test_replacing_ends_at_the_cap() -> None:
    fees, steps = choose_fees(FeeSample(100, ()), POLICY), 0
    while fees is not None:
        fees, steps = bump_fees(fees, FeeSample(100, ()), POLICY), steps + 1
    assert 10 < steps < 60


def test_a_gas_limit_has_a_margin_and_an_end() -> None:
    assert gas_limit(1_000_000) == 1_050_000
    assert gas_limit(GAS_MAX) == GAS_MAX


def test_the_default_configuration_is_valid() -> None:
    check_settlement_config(SettlementConfig())


def test_all_faults_of_a_configuration_are_told() -> None:
    wrong = SettlementConfig(
        poll_ms=0,
        safe_depth=8,
        final_depth=4,
        fees=FeePolicy(tip_min=0, tip_max=10, max_fee_cap=5),
    )
    with pytest.raises(ConfigInvalid) as caught:
        check_settlement_config(wrong)
    keys = [fault.split(":")[0] for fault in caught.value.faults]
    assert keys == ["poll_ms", "fees.tip_max", "fees.tip_min", "final_depth"]
