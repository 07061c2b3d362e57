import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import UsageError
from licet.train.simulate import chart, closed_form, estimate, share

PUBLISHED = [
    (1, 16, 1, 0.531),
    (16, 8, 10, 0.290),
    (64, 8, 1, 0.0088),
    (64, 8, 10, 0.0837),
    (64, 8, 100, 0.543),
    (256, 8, 100, 0.193),
]


@pytest.mark.parametrize(("shards", "slices", "leavers", "wanted"), PUBLISHED)
def test_the_closed_form_gives_the_known_figures(shards: int, slices: int, leavers: int, wanted: float) -> None:
    assert closed_form(shards, slices, leavers) == pytest.approx(wanted, rel=0.01)


def test_simulation_agrees_with_the_closed_form_and_prediction_pays() -> None:
    found = estimate(16, 8, 10, members=10_000, trials=60)
    assert found.uniform == pytest.approx(found.closed, rel=0.15)
    assert found.predicted < 0.85 * found.uniform
    assert found.uniform_range[0] < found.uniform < found.uniform_range[1]


@settings(max_examples=40)
@given(shards=st.integers(1, 5), slices=st.integers(1, 5), seed=st.integers(0, 999), leavers=st.integers(1, 12))
def test_the_share_is_what_a_count_by_hand_gives(shards: int, slices: int, seed: int, leavers: int) -> None:
    draws = np.random.default_rng(seed)
    records, shard, bucket = draws.integers(1, 9, 30), draws.integers(shards, size=30), draws.integers(slices, size=30)
    gone = draws.choice(30, size=leavers, replace=False)
    again = 0
    for member in set(range(30)) - set(gone.tolist()):
        again += int(records[member]) * any(shard[g] == shard[member] and bucket[g] <= bucket[member] for g in gone)
    assert share(records, shard, bucket, gone, (shards, slices)) == pytest.approx(again / records.sum())


def test_more_shards_and_slices_never_cost_more() -> None:
    for leavers in (1, 10, 100):
        costs = [closed_form(shards, 8, leavers) for shards in (1, 4, 16, 64)]
        assert costs == sorted(costs, reverse=True)
        finer = [closed_form(16, slices, leavers) for slices in (1, 2, 8, 32)]
        assert finer == sorted(finer, reverse=True)


def test_more_than_all_cannot_leave() -> None:
    with pytest.raises(UsageError, match="cannot leave"):
        estimate(2, 2, 11, members=10, trials=1)


@pytest.mark.parametrize(("shards", "slices", "trials"), [(0, 2, 1), (2, 0, 1), (2, 2, 0)])
def test_nothing_cannot_be_simulated(shards: int, slices: int, trials: int) -> None:
    with pytest.raises(UsageError, match="nothing is simulated"):
        estimate(shards, slices, 1, members=2, trials=trials)


def test_the_one_member_s_leaving_costs_nothing_for_nobody_is_left() -> None:
    found = estimate(1, 1, 1, members=1, trials=2)
    assert (found.closed, found.uniform, found.predicted) == (1, 0, 0)


def test_the_chart_is_a_picture_and_the_same_each_time() -> None:
    found = [estimate(4, 2, leavers, members=100, trials=3) for leavers in (1, 10)]
    assert chart(found).startswith(b"<?xml")
    assert chart(found) == chart(found)
