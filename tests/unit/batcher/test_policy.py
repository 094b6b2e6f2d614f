"""When a batch is sealed, and what its size is taken to be."""

import pytest

from node.batcher.config import BatcherConfig, check_batcher_config
from node.batcher.policy import RATIO_SAMPLES, Load, SealCause, SealPolicy
from node.codec.l1_gas import AIMED_BYTES_MAX, POSTABLE_BYTES, data_bytes_within
from node.types.errors import ConfigInvalid


def policy(**keys: int) -> SealPolicy:
    return SealPolicy(BatcherConfig(**keys), root_interval=1_000)


def test_the_defaults_are_allowed() -> None:
    check_batcher_config(BatcherConfig())


def test_all_faults_of_a_configuration_are_told() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        check_batcher_config(BatcherConfig(commands_max=0, age_ms_max=-1, gas_max=10**12))
    faults = caught.value.faults
    assert [fault.partition(":")[0] for fault in faults] == [
        "commands_max",
        "age_ms_max",
        "gas_max",
    ]


def test_no_batch_aims_beyond_one_transaction() -> None:
    most = BatcherConfig(data_bytes_max=AIMED_BYTES_MAX)
    check_batcher_config(most)
    assert most.bytes_limit == POSTABLE_BYTES
    assert BatcherConfig(data_bytes_max=100_000).bytes_limit == 125_000
    with pytest.raises(ConfigInvalid) as caught:
        check_batcher_config(BatcherConfig(data_bytes_max=AIMED_BYTES_MAX + 1))
    assert caught.value.faults == ("data_bytes_max: 117386, 1000 … 117385 allowed",)


def test_where_gas_binds_it_bounds_the_bytes() -> None:
    narrow = BatcherConfig(gas_max=1_000_000)
    assert narrow.bytes_limit == data_bytes_within(1_000_000) * 5 // 4 < narrow.data_bytes_max


def test_each_limit_has_its_cause() -> None:
    assert policy(commands_max=10).full(Load(10, 100)) is SealCause.COMMANDS
    assert policy(data_bytes_max=1_000).full(Load(1, 2_000)) is SealCause.BYTES
    assert policy(gas_max=500_000).full(Load(1, 50_000)) is SealCause.GAS
    assert policy(age_ms_max=50).aged(50) is SealCause.AGE
    assert policy(age_ms_max=50).aged(49) is None
    assert policy().full(Load(1, 1_000)) is None


def test_at_a_limit_a_batch_is_full_but_not_overfull() -> None:
    limits = policy(commands_max=10, data_bytes_max=1_000)
    assert limits.overfull(Load(10, 2_000)) is None
    assert limits.overfull(Load(11, 10)) is SealCause.COMMANDS
    assert limits.overfull(Load(1, 2_001)) is SealCause.BYTES


def test_at_just_the_gas_allowed_a_batch_is_full_but_not_overfull() -> None:
    load = Load(1, 50_000)
    gas = policy().gas(load)
    assert policy(gas_max=gas + 1).full(load) is None
    assert policy(gas_max=gas).full(load) is SealCause.GAS
    assert policy(gas_max=gas).overfull(load) is None


def test_the_size_is_what_the_last_batches_came_to_together() -> None:
    limits = policy()
    assert limits.data_bytes(Load(1, 1_000)) == 500
    limits.learn(Load(1, 1_000), 400)
    limits.learn(Load(1, 1_000), 200)
    assert limits.data_bytes(Load(1, 10_000)) == 3_000
    for _ in range(RATIO_SAMPLES):
        limits.learn(Load(1, 1_000), 100)
    assert limits.data_bytes(Load(1, 10_000)) == 1_000


def test_beside_large_batches_those_of_less_than_half_do_not_count() -> None:
    limits = policy()
    limits.learn(Load(20, 3_000), 1_500)
    assert limits.data_bytes(Load(1, 10_000)) == 5_000
    limits.learn(Load(1_400, 300_000), 110_000)
    limits.learn(Load(700, 150_000), 70_000)
    for _ in range(RATIO_SAMPLES - 2):
        limits.learn(Load(700, 149_999), 149_999)
    assert limits.data_bytes(Load(1, 10_000)) == 4_000
    limits.learn(Load(700, 149_999), 149_999)
    assert limits.data_bytes(Load(1, 10_000)) > 9_000


@pytest.mark.parametrize(
    ("part_bytes", "ratio"), [(20_000, 500), (2_000, 417)], ids=["it tells more", "it packs well"]
)
def test_a_batch_that_was_too_large_makes_forget_what_was_before(
    part_bytes: int, ratio: int
) -> None:
    limits = policy(data_bytes_max=100_000)
    for _ in range(RATIO_SAMPLES):
        limits.learn(Load(1_400, 900_000), 100_000)
    limits.learn_parted(Load(1_400, 300_000), Load(200, 40_000), part_bytes)
    assert limits.data_bytes(Load(1, 10_000)) == 10 * ratio
    # As full as is aimed at, so the next full one counts beside it.
    limits.learn(Load(1_400, 160_000), 96_000)
    assert 10 * ratio < limits.data_bytes(Load(1, 10_000)) < 6_000


def test_where_gas_binds_the_next_batches_count_beside_a_parted_one() -> None:
    limits = policy(gas_max=2_000_000)
    limits.learn_parted(Load(400, 100_000), Load(40, 10_000), 20_000)
    assert limits.data_bytes(Load(1, 10_000)) == 20_000
    for _ in range(4):
        command_bytes = 49_000 * 1_000 // limits.ratio
        limits.learn(Load(400, command_bytes), command_bytes // 2)
    assert limits.data_bytes(Load(1, 10_000)) < 6_000


def test_roots_count_to_the_bytes() -> None:
    limits = SealPolicy(BatcherConfig(data_bytes_max=1_000), root_interval=1)
    assert limits.full(Load(10, 1_358)) is None
    assert limits.full(Load(10, 1_360)) is SealCause.BYTES


def test_the_estimate_rounds_up() -> None:
    limits = policy()
    limits.learn(Load(1, 3), 1)
    assert limits.data_bytes(Load(1, 3)) == 2
