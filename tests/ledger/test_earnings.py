"""A whole amount is shared in whole parts, nothing lost, and SQL does as the rule says."""

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ledger.earnings import SPLIT, split

totals = st.integers(0, 10**15)
weights = st.lists(st.integers(1, 10**9) | st.integers(1, 3), min_size=1, max_size=12)


@given(totals, weights)
def test_the_parts_sum_to_the_whole_and_none_is_a_unit_off_its_quota(total: int, given_weights: list[int]) -> None:
    parts = split(total, given_weights)
    everything = sum(given_weights)
    assert sum(parts) == total
    assert all(
        part * everything <= total * weight + everything for part, weight in zip(parts, given_weights, strict=True)
    )
    assert all(
        part * everything > total * weight - everything for part, weight in zip(parts, given_weights, strict=True)
    )


@given(totals, weights, st.integers(1, 1000))
def test_whoever_weighs_more_never_gets_less(total: int, given_weights: list[int], more: int) -> None:
    heavier = [given_weights[0] + more, *given_weights]
    first, second, *_ = split(total, heavier)
    assert first >= second


def test_of_equal_remainders_the_first_in_order_get_more() -> None:
    assert split(5, [1, 1, 1]) == [2, 2, 1]


@settings(max_examples=60, deadline=None)
@given(totals, weights)
def test_sql_shares_as_the_rule_says(total: int, given_weights: list[int]) -> None:
    table = pa.table(
        {
            "pseudonym": [f"{n:04}" for n in range(len(given_weights))],
            "rows": pa.array(given_weights, pa.int64()),
            "weight": pa.array(given_weights, pa.int64()),
        }
    )
    with duckdb.connect(config={"threads": 1}) as session:
        session.register("weights", table)
        text = SPLIT.format(total=total, everything=sum(given_weights), weights="weights")
        found = session.execute(text).fetchall()
    assert [micros for *_, micros in found] == split(total, given_weights)
