"""A month costs what the plan says, to the cent, and whatever is counted is in exactly one line."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.ledger.plan import Charge, Counts, CreditRule, Meter, Mode, Plan, Tier
from licet.ledger.pricing import Recalled, Standing, credit, price, rounded, tax_of
from licet.model.money import UNIT, LineKind, Month, Usage
from licet.model.records import Table

MARCH = Month(year=2025, month=3)
TIERS = (
    Tier(up_to=1000, per_thousand_micros=5 * UNIT),
    Tier(up_to=5000, per_thousand_micros=2 * UNIT),
    Tier(up_to=0, per_thousand_micros=UNIT),
)
CHARGE = Charge(tables=(Table.POSTS,), meter=Meter.ROWS, included=0, mode=Mode.GRADUATED, tiers=TIERS)
PLAN = Plan(
    name="p",
    currency="USD",
    fee_micros=0,
    minimum_micros=0,
    discount_ppm=0,
    tax_ppm=0,
    counts=Counts.VERSION,
    recall_credit=CreditRule.PRO_RATA,
    charges=(CHARGE,),
)


def used(rows: int, table: Table = Table.POSTS) -> Usage:
    """Give the usage of so many rows, of ten tokens each."""
    same = {"rows": rows, "tokens": rows * 10, "billed_rows": rows, "billed_tokens": rows * 10}
    return Usage(license_id="l", month=MARCH, table=table, files=1, **same)


def total(plan: Plan, rows: int, days: int = 31) -> int:
    """Give what so many rows cost, in cents."""
    return sum(line.micros for line in price(plan, "l", [used(rows)], days, 31)) // 10_000


@pytest.mark.parametrize(
    ("rows", "cents"), [(0, 0), (1, 0), (2, 1), (1000, 500), (1001, 500), (5000, 1300), (6000, 1400)]
)
def test_graduated_tiers_price_each_part(rows: int, cents: int) -> None:
    assert total(PLAN, rows) == cents


@pytest.mark.parametrize(("rows", "cents"), [(1000, 500), (1001, 200), (5000, 1000), (5001, 500)])
def test_a_volume_tier_prices_everything(rows: int, cents: int) -> None:
    assert total(replace(PLAN, charges=(replace(CHARGE, mode=Mode.VOLUME),)), rows) == cents


def test_what_is_included_costs_nothing() -> None:
    assert total(replace(PLAN, charges=(replace(CHARGE, included=1000),)), 1500) == 250


def test_tokens_are_another_meter() -> None:
    assert total(replace(PLAN, charges=(replace(CHARGE, meter=Meter.TOKENS),)), 100) == 500


def test_a_fee_is_due_by_the_day_a_discount_is_on_all_and_the_minimum_comes_last() -> None:
    plan = replace(PLAN, fee_micros=31 * UNIT, discount_ppm=100_000, minimum_micros=62 * UNIT)
    lines = price(plan, "l", [used(1000)], 10, 31)
    assert [(line.kind, line.micros // 10_000) for line in lines] == [
        (LineKind.FEE, 1000),
        (LineKind.USAGE, 500),
        (LineKind.DISCOUNT, -150),
        (LineKind.MINIMUM, 650),
    ]


def test_tables_that_no_charge_names_cost_nothing() -> None:
    assert price(PLAN, "l", [used(1000, Table.LIKES)], 31, 31) == ()


@given(st.integers(0, 20_000), st.integers(0, 3_000), st.sampled_from(Mode))
def test_whatever_is_counted_is_in_exactly_one_line(rows: int, included: int, mode: Mode) -> None:
    plan = replace(PLAN, charges=(replace(CHARGE, included=included, mode=mode),))
    lines = price(plan, "l", [used(rows)], 31, 31)
    assert sum(line.quantity for line in lines) == rows
    assert all(line.micros % 10_000 == 0 for line in lines)


@given(st.integers(0, 20_000), st.integers(0, 500))
def test_more_never_costs_less_by_graduated_tiers(rows: int, more: int) -> None:
    assert total(PLAN, rows + more) >= total(PLAN, rows)


@given(st.fractions(-1000, 1000), st.sampled_from(["USD", "JPY", "KWD"]))
def test_rounding_is_to_the_nearest_payable_amount(exact: Fraction, currency: str) -> None:
    minor = {"USD": 10_000, "JPY": 1_000_000, "KWD": 1_000}[currency]
    found = rounded(exact * UNIT, currency)
    assert found % minor == 0
    assert abs(found - exact * UNIT) * 2 <= minor


def test_tax_is_rounded_once_for_a_license() -> None:
    plan = replace(PLAN, tax_ppm=190_000, charges=(CHARGE, replace(CHARGE, tables=(Table.LIKES,))))
    lines = price(plan, "l", [used(2), used(2, Table.LIKES)], 31, 31)
    assert [line.micros for line in lines] == [10_000, 10_000]
    assert tax_of(lines, "USD") == 0
    assert tax_of([*lines, *lines], "USD") == 10_000


@pytest.mark.parametrize(
    ("rule", "cents"), [(CreditRule.NONE, 0), (CreditRule.FULL, 5000), (CreditRule.PRO_RATA, 2500)]
)
def test_a_recall_gives_back_the_average_price_by_the_rule(rule: CreditRule, cents: int) -> None:
    standing = Standing(
        charged_micros=1000 * UNIT,
        rows=2000,
        starts=datetime(2025, 1, 1, tzinfo=UTC),
        ends=datetime(2025, 1, 11, tzinfo=UTC),
    )
    recalled = Recalled(recall_id="r", table=Table.POSTS, rows=100, opened=datetime(2025, 1, 6, tzinfo=UTC))
    assert credit(replace(PLAN, recall_credit=rule), "l", recalled, standing).micros == -cents * 10_000
