"""The ridge classifier: exact integers, and a model that has learned something."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.train.encoder import encoder
from licet.train.ridge import Ridge
from licet.train.rows import Row

SAID = {
    "good": ["what a lovely day", "I love this song", "best game ever", "so happy for you"],
    "bad": ["this is awful", "I hate waiting", "worst service ever", "so sad and angry"],
}


@given(st.lists(st.tuples(st.integers(0, 1), st.lists(st.integers(-127, 127), min_size=3, max_size=3)), max_size=9))
def test_matrices_are_those_of_python_integers(rows: list[tuple[int, list[int]]]) -> None:
    learner = Ridge(labels=("bad", "good"), encoded=False, sketched=3)
    made = [Row(member="m", record=str(n), label=c, payload=np.int8(x).tobytes()) for n, (c, x) in enumerate(rows)]
    gram = learner.added(made).dense["gram"]
    for label in (0, 1):
        full = [[*x, 64] for c, x in rows if c == label]
        assert gram[label].tolist() == [[sum(x[i] * x[j] for x in full) for j in range(4)] for i in range(4)]


@pytest.mark.parametrize("learner", [Ridge(labels=("bad", "good")), Ridge(labels=("bad", "good"), sketched=64)])
def test_it_learns_from_encoded_posts(learner: Ridge) -> None:
    rows = [
        Row(member="m", record=text, label=learner.labels.index(label), payload=learner.encode(text))
        for label, texts in SAID.items()
        for text in texts
    ]
    totals = learner.start().plus(learner.added(rows))
    learner.check(totals)
    new = ["I really love it, happy", "I hate it, awful and sad"]
    scores = learner.predict(learner.finish(totals), [learner.encode(text) for text in new])
    assert [learner.labels[best] for best in scores.argmax(axis=1)] == ["good", "bad"]


def test_a_text_is_encoded_alike_whatever_was_encoded_before() -> None:
    alone = encoder().encode("the same words")
    encoder().encode("other words in between, many more of them than before")
    assert np.array_equal(encoder().encode("the same words"), alone)
    assert np.abs(alone).max() <= 127
    assert encoder().encode("").shape == (384,)
