"""The n-gram model: counts stay within a post, and probabilities are probabilities."""

import numpy as np
import pytest
from encoded import row

from licet.train.algebra import Algebra
from licet.train.ngram import NgramModel
from licet.train.tokens import BOS, EOS, VOCABULARY, PublicTokenizer

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
