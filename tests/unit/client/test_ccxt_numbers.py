"""Floats go in, exact steps come out."""

from decimal import Decimal

import pytest

from node.client.ccxt_errors import BadRequest
from node.client.ccxt_numbers import Number, exact, iso8601, plain, rounded, truncated, units


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (0.1 + 0.2, "0.3"),
        (0.7 + 0.1, "0.8"),
        (0.8 - 0.1, "0.7"),
        (1.1 * 3, "3.3"),
        (4.35 * 100, "435"),
        (1e-5, "0.00001"),
        (60_000.1, "60000.1"),
        (3, "3"),
        ("0.30000000000000004", "0.30000000000000004"),
        (Decimal("1.10"), "1.1"),
    ],
)
def test_a_float_is_the_decimal_that_its_owner_meant(value: Number, meant: str) -> None:
    assert plain(exact(value)) == meant


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "one", "", None, "NaN"])
def test_what_is_no_number_is_refused(value: Number) -> None:
    with pytest.raises(BadRequest):
        exact(value)


def test_prices_go_to_the_nearest_tick_and_amounts_never_up() -> None:
    assert plain(rounded(60_000.15, 1)) == "60000.2"
    assert plain(rounded(60_000.14, 1)) == "60000.1"
    assert plain(truncated(0.1299999, 2)) == "0.12"
    assert plain(truncated(0.7 + 0.1, 2)) == "0.8"
    assert plain(truncated("-1.5", 0)) == "-1"


def test_every_lot_survives_being_a_float() -> None:
    for lots in (*range(1, 2_000), 99_999_999, 123_456_789_012):
        as_float = lots / 100_000
        assert units(truncated(as_float, 5), 5) == lots


def test_a_number_beyond_all_digits_is_refused() -> None:
    with pytest.raises(BadRequest):
        truncated("1" * 60, 5)


def test_plain_text_has_no_exponent_and_no_sign_of_nothing() -> None:
    assert [plain(Decimal(text)) for text in ("1E+3", "-0.00", "0", "1.500")] == [
        "1000", "0", "0", "1.5",
    ]  # fmt: skip


def test_times_are_in_utc_to_the_millisecond() -> None:
    assert iso8601(1_504_224_000_123) == "2017-09-01T00:00:00.123Z"
    assert iso8601(None) is None
