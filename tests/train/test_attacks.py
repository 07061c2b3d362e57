import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.train.attacks import (
    auc,
    exposure,
    lira_scores,
    loss_scores,
    min_k_scores,
    rmia_scores,
    separate,
    zlib_scores,
)

NUMBERS = st.lists(st.integers(-9, 9), min_size=1, max_size=12)


@settings(max_examples=40)
@given(members=NUMBERS, others=NUMBERS)
def test_the_area_is_the_share_of_pairs_in_order(members: list[int], others: list[int]) -> None:
    pairs = [(m > o) + (m == o) / 2 for m in members for o in others]
    assert auc(np.array(members, float), np.array(others, float)) == pytest.approx(np.mean(pairs))


def test_separation_of_equals_is_chance_and_of_strangers_is_not() -> None:
    draws = np.random.default_rng(3)
    same = separate(draws.normal(size=80), draws.normal(size=80))
    apart = separate(draws.normal(2, 1, 80), draws.normal(size=80))
    assert same.chance
    assert not apart.chance
    assert apart.low > 0.8
    assert apart.caught > same.caught


def test_the_interval_is_as_wide_as_one_in_closed_form_for_95_percent() -> None:
    draws = np.random.default_rng(8)
    members, others = draws.normal(0.7, 1, 90), draws.normal(size=120)
    found = separate(members, others)
    above = np.array([[member > other for other in others] for member in members])  # after DeLong et al., 1988
    deviation = np.sqrt(above.mean(1).var(ddof=1) / 90 + above.mean(0).var(ddof=1) / 120)
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)
    assert (found.high + found.low) / 2 == pytest.approx(found.auc, abs=0.01)


def test_loss_and_zlib_are_what_a_hand_computes() -> None:
    answers, wanted = [np.array([[0.5, 0.5], [0.25, 0.75]])], [np.array([0, 1])]
    mean = (np.log(0.5) + np.log(0.75)) / 2
    assert loss_scores(answers, wanted)[0] == pytest.approx(mean)
    assert zlib_scores(answers, wanted)[0] == pytest.approx(mean / len(zlib.compress(b"\0\1")))


def test_min_k_looks_at_the_least_likely_and_weighs_them_by_what_was_to_be_expected() -> None:
    sure, unsure = np.array([0.98, 0.01, 0.01]), np.full(3, 1 / 3)
    surprised = min_k_scores([np.array([sure, unsure])], [np.array([1, 0])])
    expected = min_k_scores([np.array([sure, unsure])], [np.array([0, 0])])
    assert surprised[0] < -5
    assert expected[0] == pytest.approx(0, abs=1e-3)


def test_min_k_is_the_mean_of_the_lowest_fifth() -> None:
    chances = np.tile([0.5, 0.3, 0.2], (10, 1))
    mean = (chances[0] * np.log(chances[0])).sum()
    spread = np.sqrt((chances[0] * (np.log(chances[0]) - mean) ** 2).sum())
    lowest = (np.log([0.2, 0.3]) - mean) / spread
    assert min_k_scores([chances], [np.array([0] * 8 + [1, 2])])[0] == pytest.approx(lowest.mean())


def test_one_in_a_hundred_others_is_accused_at_most() -> None:
    assert separate(np.array([197.5, 198, 198.5, 199, 200]), np.arange(200.0)).caught == 3 / 5


def test_reference_models_make_a_known_text_stand_out_from_one_that_is_easy_anyway() -> None:
    references = np.array([[-1.0, -3.0, np.nan], [-1.2, -3.2, -2.0], [-0.8, -2.8, -2.2]])
    target = np.array([-1.0, -1.0, -2.1])
    spread = np.sqrt((2 * (0.08 / 3) + 0.01) / 3)  # one for all: the mean of three variances
    assert lira_scores(target, references) == pytest.approx([0, 2 / spread, 0], abs=1e-9)
    others, seen = np.array([-2.0, -2.1, -1.0]), np.array([[-2.0, -2.0, -3.0], [-2.0, -2.0, -3.0]])
    ratios = rmia_scores(np.append(target, -2.0), np.c_[references, [-2.0] * 3], others, seen)
    assert ratios.tolist() == [1 / 3, 2 / 3, 1 / 3, 2 / 3]


def test_one_reference_model_will_do() -> None:
    target, one = np.array([-1.0, -2.0]), np.array([[np.nan, -1.9], [-3.0, np.nan]])
    ours, theirs = lira_scores(target, one)
    assert ours > 0 > theirs


def test_exposure_is_all_bits_for_the_likeliest_and_none_for_the_last() -> None:
    rivals = np.arange(255.0)
    assert exposure(999, rivals) == 8
    assert exposure(-1, rivals) == 0
    assert exposure(127.5, rivals) == pytest.approx(1, abs=0.02)


def test_a_model_that_knows_nothing_exposes_nothing() -> None:
    assert exposure(-3, np.full(255, -3.0)) == pytest.approx(1, abs=0.02)
    draws = np.random.default_rng(5).normal(size=(4000, 256))
    assert np.mean([exposure(row[0], row[1:]) for row in draws]) == pytest.approx(np.log2(np.e), abs=0.1)
