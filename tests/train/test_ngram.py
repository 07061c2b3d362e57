"""The n-gram model: counts stay within a post, and probabilities are probabilities."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from encoded import row
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import IntegrityError
from licet.train.algebra import Algebra, Tensors
from licet.train.ngram import ORDERS, NgramModel, count_ngrams
from licet.train.tokens import BOS, EOS, VOCABULARY, PublicTokenizer

TOKENS = st.lists(st.integers(0, 4), max_size=6)
POSTS = ["the quick fox", "the lazy dog", "we may be what we are", "the quick fox"]


@pytest.fixture
def model(learners: dict[str, Algebra]) -> NgramModel:
    learner = learners["ngram"]
    rows = [row(learner, "m", str(n), text) for n, text in enumerate(POSTS)]
    return NgramModel.of(learner.finish(learner.start().plus(learner.added(rows))))


def test_probabilities_after_any_context_sum_to_one(model: NgramModel, tokenizer: PublicTokenizer) -> None:
    for text in ("", "the quick", "never seen before", POSTS[2]):
        assert model.after(tokenizer.encode(text).tolist()).sum() == pytest.approx(1)


def test_the_score_of_a_post_is_the_probability_of_each_token_after_those_before(
    model: NgramModel, tokenizer: PublicTokenizer
) -> None:
    for text in ("the quick dog", "what?", ""):
        tokens = tokenizer.encode(text).tolist()
        scores = model.score(tokenizer.encode(text))
        expected = [model.after(tokens[:place])[token] for place, token in enumerate([*tokens, EOS])]
        assert scores.tolist() == pytest.approx(expected)


def test_what_was_said_is_likelier_than_what_was_not(model: NgramModel, tokenizer: PublicTokenizer) -> None:
    said, unsaid = (np.log(model.score(tokenizer.encode(text))).sum() for text in ("the quick fox", "fox quick the"))
    assert said > unsaid + 5


@given(st.lists(TOKENS, max_size=6), TOKENS)
def test_probabilities_are_those_of_the_textbook(posts: list[list[int]], asked: list[int]) -> None:
    tokens = [np.array(post, np.uint16) for post in posts]
    found = NgramModel.of(tensors(tokens)).score(np.array(asked, np.uint16))
    assert found.tolist() == pytest.approx(textbook(posts, asked))


def textbook(posts: Sequence[Sequence[int]], asked: Sequence[int]) -> list[float]:
    """Interpolated Kneser-Ney by sets of tuples."""
    seen: Counter[tuple[int, ...]] = Counter()
    before: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)
    for post in posts:
        padded = [BOS] * (ORDERS - 1) + list(post) + [EOS]
        for end in range(ORDERS, len(padded) + 1):
            for order in range(1, ORDERS + 1):
                seen[tuple(padded[end - order : end])] += 1
                if order < ORDERS:
                    before[tuple(padded[end - order : end])].add(padded[end - order - 1])
    counted = {gram: seen[gram] if len(gram) == ORDERS or gram[0] == BOS else len(before[gram]) for gram in seen}

    def likely(gram: tuple[int, ...]) -> float:
        if not gram:
            return 1 / VOCABULARY
        level = [count for other, count in counted.items() if len(other) == len(gram)]
        less = (level.count(1) + 1) / (level.count(1) + 2 * level.count(2) + 2)
        followed = [c for other, c in counted.items() if len(other) == len(gram) and other[:-1] == gram[:-1]]
        if not followed:
            return likely(gram[1:])
        own = max(counted.get(gram, 0) - less, 0)
        return (own + less * len(followed) * likely(gram[1:])) / sum(followed)

    padded = [BOS] * (ORDERS - 1) + list(asked) + [EOS]
    return [likely(tuple(padded[end - ORDERS : end])) for end in range(ORDERS, len(padded) + 1)]


def tensors(posts: list[np.ndarray]) -> Tensors:
    return {
        f"{name}.{part}": array
        for name, table in count_ngrams(posts).items()
        for part, array in (("keys", table.keys), ("counts", table.counts))
    }


def test_what_was_often_said_after_one_word_only_is_unlikely_after_others() -> None:
    said = [np.array(post, np.uint16) for post in ([1, 2], [1, 2], [1, 2], [1, 2], [3, 5], [4, 5], [6, 5])]
    after = NgramModel.of(tensors(said)).after([7])
    assert after[5] > after[2]


def test_what_another_model_says_counts_where_no_long_ngram_was_seen(
    model: NgramModel, tokenizer: PublicTokenizer
) -> None:
    beside = np.zeros(VOCABULARY)
    beside[EOS] = 1
    unseen, seen = tokenizer.encode("never seen before").tolist(), tokenizer.encode("the quick").tolist()
    assert model.after(unseen, beside)[EOS] > 0.5 > model.after(seen, beside)[EOS]
    assert model.after(unseen, beside).sum() == pytest.approx(1)


def test_tables_counted_from_different_posts_are_refused() -> None:
    mixed = {
        **tensors([np.array([1, 2], np.uint16)]),
        "order2.keys": tensors([np.array([3], np.uint16)])["order2.keys"],
    }
    with pytest.raises(IntegrityError, match="disagree"):
        NgramModel.of(mixed)


def test_no_ngram_crosses_two_posts(model: NgramModel) -> None:
    for order, table in model.tables.items():
        for key in table.keys.tolist():
            tokens = [(key >> (11 * place)) & (VOCABULARY - 1) for place in reversed(range(order))]
            assert EOS not in tokens[:-1]
            assert BOS not in tokens[-1:]


def test_without_any_post_every_token_is_as_likely(learners: dict[str, Algebra], tokenizer: PublicTokenizer) -> None:
    empty = NgramModel.of(learners["ngram"].finish(learners["ngram"].start()))
    assert set(empty.score(tokenizer.encode("anything"))) == {1 / VOCABULARY}


def test_every_text_comes_back_from_its_tokens(tokenizer: PublicTokenizer) -> None:
    for text in ("Ünïcode 🦊 ok", "a\n\tb  ", "@user #tag https://example.org"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
