"""How well a model does is measured as by hand, and stands in the certificate before and after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.train.quality import MOST, bits_per_token, macro_recall, sample
from licet.train.rows import Row


def row(n: int, label: int = 0) -> Row:
    return Row(member=f"m{n}", record=f"r{n}", label=label, payload=b"")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_macro_recall_is_the_mean_over_labels_of_what_was_found(pairs: list[tuple[int, int]]) -> None:
    rows = [row(n, wanted) for n, (wanted, _) in enumerate(pairs)]
    scores = np.eye(3)[[said for _, said in pairs]]
    parts = [[said == wanted for wanted, said in pairs if wanted == label] for label in {each for each, _ in pairs}]
    assert macro_recall(scores, rows) == pytest.approx(100 * sum(sum(part) / len(part) for part in parts) / len(parts))


def test_bits_per_token_is_the_mean_surprise() -> None:
    class Sure:
        def score(self, post: np.ndarray) -> np.ndarray:
            return np.full(len(post) + 1, 0.25)

    assert bits_per_token(Sure(), [np.arange(3, dtype=np.uint16), np.arange(0, dtype=np.uint16)]) == 2.0


@pytest.mark.parametrize("count", [1, MOST, MOST + 1, 5 * MOST + 3])
def test_a_sample_is_no_larger_than_it_may_be_and_spread_over_all(count: int) -> None:
    rows = [row(n) for n in range(count)]
    some = sample(rows)
    assert len(some) <= MOST
    assert some[0] is rows[0]
    assert int(some[-1].member[1:]) > count * 0.6 - 1
