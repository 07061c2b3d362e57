"""Values are exact, and a curve rises where there is something to learn and stays flat where there is nothing."""

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ledger.valuation import Posts, knn_shapley, learning_curve, member_values, vectors

WORDS = {0: ["good", "fine", "happy", "great", "nice"], 1: ["bad", "sad", "awful", "poor", "angry"]}


def posts(count: int, members: int, *, noise: float, seed: int = 1) -> Posts:
    """Make posts whose words tell their label, but for some whose label is drawn."""
    rng = np.random.default_rng(seed)
    told = rng.integers(0, 2, count)
    drawn = np.where(rng.random(count) < noise, rng.integers(0, 2, count), told)
    filler = [f"w{n}" for n in range(400)]
    texts = [f"{rng.choice(WORDS[int(label)])} {' '.join(rng.choice(filler, 6))}" for label in told]
    return Posts(owners=rng.integers(0, members, count), labels=drawn, texts=texts)


def brute(train: np.ndarray, labels: np.ndarray, tests: np.ndarray, test_labels: np.ndarray, k: int) -> np.ndarray:
    """Give Shapley values by their definition: over all subsets of the others."""
    count = len(labels)

    def utility(some: tuple[int, ...]) -> float:
        total = 0.0
        for test, label in zip(tests, test_labels, strict=True):
            near = sorted(some, key=lambda n: (-float(test @ train[n]), n))[:k]
            total += sum(labels[n] == label for n in near) / k
        return total / len(tests)

    def value(one: int) -> float:
        others = [n for n in range(count) if n != one]
        return sum(
            (utility((*some, one)) - utility(some)) / (count * math.comb(count - 1, size))
            for size in range(count)
            for some in combinations(others, size)
        )

    return np.array([value(n) for n in range(count)])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 7), st.integers(1, 3), st.integers(1, 9), st.integers(0, 10_000))
def test_the_closed_form_is_the_definition(count: int, tests: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    train, tested = (rng.integers(-3, 4, (n, 2)).astype(np.float32) for n in (count, tests))
    labels, test_labels = rng.integers(0, 2, count), rng.integers(0, 2, tests)
    found = knn_shapley(train, labels, tested, test_labels, k)
    assert found == pytest.approx(brute(train, labels, tested, test_labels, k), abs=1e-12)


def test_wrong_labels_are_worth_less() -> None:
    made = posts(1200, 60, noise=0.0)
    wrong = made.owners < 6
    labels = np.where(wrong, 1 - made.labels, made.labels)
    values = member_values(Posts(owners=made.owners, labels=labels, texts=made.texts), k=5, most_tests=300, seed=3)
    assert values[:6].max() < np.median(values[6:])
    assert values[:6].mean() < 0.8 * values[6:].mean()


def test_texts_of_the_same_words_are_the_same_vector_and_an_empty_one_is_none() -> None:
    found = vectors(["Good day", "good  DAY", "rain", ""])
    assert np.allclose(found[0], found[1])
    assert np.allclose(np.linalg.norm(found[:3], axis=1), 1)
    assert abs(float(found[0] @ found[2])) < 0.5


@pytest.mark.parametrize("by_members", [True, False])
def test_the_curve_rises_where_there_is_something_to_learn(by_members: bool) -> None:  # noqa: FBT001 # parametrized
    curve = learning_curve(posts(900, 90, noise=0.2), by_members=by_members, splits=6, sizes=6, seed=7)
    assert curve.points[-1].accuracy > curve.points[0].accuracy + 0.1
    assert curve.points[-1].accuracy > curve.chance + 0.15
    assert [point.size for point in curve.points] == sorted({point.size for point in curve.points})
    assert curve.points[-1].size <= (90 if by_members else 900) * 0.85


def test_where_labels_are_drawn_more_data_does_not_help() -> None:
    curve = learning_curve(posts(900, 90, noise=1.0), by_members=False, splits=8, sizes=4, seed=7)
    assert not curve.still_helps
    assert abs(curve.points[-1].accuracy - 0.5) < 0.1


@pytest.mark.parametrize("work", [learning_curve])
def test_the_same_seed_gives_the_same_curve(work: Callable[..., object]) -> None:
    made = posts(300, 30, noise=0.3)
    same = {"by_members": True, "splits": 3, "sizes": 3, "seed": 5}
    assert work(made, **same) == work(made, **same)
