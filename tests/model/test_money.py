"""Money is whole micro-units, and a transaction that does not balance cannot be made."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import InputError, IntegrityError
from licet.model.money import (
    Kind,
    Month,
    Posting,
    Transaction,
    currency_of,
    decimal_of,
    micros_of,
    minor_unit,
    shown,
)

amounts = st.integers(-(10**16), 10**16)
months = st.builds(Month, year=st.integers(1970, 9000), month=st.integers(1, 12))


@given(amounts)
def test_an_amount_written_and_read_is_the_same(amount: int) -> None:
    assert micros_of(decimal_of(amount)) == amount


@pytest.mark.parametrize("text", ["", "x", "1.2345678", "NaN", "Infinity", "1e30", "0.0000001", "1_0.5.5"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        micros_of(text)


def test_amounts_are_shown_in_the_places_of_their_currency() -> None:
    assert shown(1_234_500_000, "USD") == "1,234.50 USD"
    assert shown(-5_000_000, "JPY") == "-5 JPY"
    assert shown(1_500, "BHD") == "0.001500 BHD"
    assert shown(1_000, "BHD") == "0.001 BHD"
    assert [minor_unit(each) for each in ("USD", "JPY", "KWD")] == [10_000, 1_000_000, 1_000]


def test_an_amount_that_does_not_fit_its_places_is_not_cut() -> None:
    with pytest.raises(IntegrityError):
        decimal_of(1, 2)


@pytest.mark.parametrize("code", ["usd", "US", "DOLLAR", ""])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(InputError):
        currency_of(code)


@given(months)
def test_months_follow_each_other_without_a_gap(month: Month) -> None:
    assert Month.parse(str(month)) == month
    assert month.end == month.next.start
    assert Month.of(month.end - timedelta(microseconds=1)) == month
    assert Month.of(month.start) == month
    assert month.last_day == (month.end - timedelta(days=1)).date()
    assert 28 <= month.days <= 31


def test_a_month_is_that_of_utc() -> None:
    assert str(Month.of(datetime(2025, 4, 1, 1, tzinfo=timezone(timedelta(hours=2))))) == "2025-03"
    assert str(Month.of(datetime(2025, 4, 1, tzinfo=UTC))) == "2025-04"


@pytest.mark.parametrize("text", ["2025-13", "2025-3", "2025", "0000-01", "2025-01-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Month.parse(text)


@given(st.lists(amounts, max_size=6), st.integers(-5, 5))
def test_only_what_balances_is_a_transaction(legs: list[int], off: int) -> None:
    postings = tuple(Posting(account="a", micros=leg) for leg in (*legs, off - sum(legs)))

    def made() -> Transaction:
        month = Month(year=2025, month=3)
        named = {"transaction_id": "t", "license_id": "", "narration": ""}
        return Transaction(month=month, kind=Kind.CHARGE, postings=postings, **named)

    if off:
        with pytest.raises(IntegrityError):
            made()
    else:
        assert made().postings == postings
