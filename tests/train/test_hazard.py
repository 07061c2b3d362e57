import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import UsageError
from licet.train.hazard import Signals, activity, evenly, find_score, slice_of

MARKS = st.binary(min_size=16, max_size=16)


@given(mark=MARKS, slices=st.integers(1, 16), one=st.floats(0, 1), other=st.floats(0, 1))
def test_whoever_is_likelier_to_leave_is_never_placed_earlier(
    mark: bytes, slices: int, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    if evenly(Signals()) not in {low, high}:
        assert slice_of(low, mark, slices) <= slice_of(high, mark, slices)
    assert 0 <= slice_of(high, mark, slices) < slices


def test_without_a_prediction_members_spread_over_all_slices() -> None:
    marks = [(n * 2**128 // 400).to_bytes(16) for n in range(400)]
    found = [slice_of(evenly(Signals()), mark, 8) for mark in marks]
    assert {found.count(n) for n in range(8)} == {50}


def test_changes_of_mind_and_a_young_account_foretell_leaving() -> None:
    settled = Signals(account_age_days=4000, days_since_last_record=400)
    assert activity(settled) < activity(Signals(account_age_days=4000, days_since_last_record=400, toggles=1))
    assert activity(settled) < activity(Signals(account_age_days=10, days_since_last_record=400))


def test_a_score_of_ones_own_is_found_by_name() -> None:
    assert find_score("licet.train.hazard:activity") is activity


@pytest.mark.parametrize("name", ["nothing", "licet.train.hazard:nothing", "no.such.module:score"])
def test_a_score_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no score"):
        find_score(name)


def test_a_likelihood_outside_0_to_1_is_refused() -> None:
    with pytest.raises(UsageError, match="outside 0 to 1"):
        slice_of(1.5, bytes(16), 4)
