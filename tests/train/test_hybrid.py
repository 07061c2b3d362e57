"""The hybrid generator: probabilities, a canary that is gone, and posts that repeat."""

from pathlib import Path

import numpy as np
import pytest
from encoded import KEY, posts

from licet.train.algebra import Algebra
from licet.train.algebra_fit import fit
from licet.train.algebra_forget import forget
from licet.train.algebra_store import AlgebraStore
from licet.train.examples import Example
from licet.train.hybrid import Hybrid, HybridModel, bits_per_byte, generate, log2_probability
from licet.train.tokens import EOS

CANARY = Example(member="m3", record="r3.c", text="zebra violin 4711")


@pytest.fixture
def learner(learners: dict[str, Algebra]) -> Hybrid:
    found = learners["hybrid"]
    assert isinstance(found, Hybrid)
    return found


def trained(root: Path, learner: Hybrid, examples: list[Example]) -> tuple[AlgebraStore, HybridModel]:
    store = AlgebraStore(root=root)
    return store, learner.model(store.model(fit(store, learner, examples)))


def test_a_canary_is_as_unlikely_after_forgetting_as_if_it_had_never_been_there(
    tmp_path: Path, learner: Hybrid
) -> None:
    store, before = trained(tmp_path / "all", learner, [*posts(), CANARY])
    _, oracle = trained(tmp_path / "never", learner, [each for each in posts() if each.member != "m3"])
    forget(store, learner, KEY, lambda who, _: who == "m3")
    after = learner.model(store.model(store.current()))
    told = [log2_probability(model, learner.public.tokenizer, CANARY.text) for model in (before, after, oracle)]
    assert told[0] > told[1] + 20
    assert told[1] == told[2]


def test_it_scores_posts_as_it_draws_them(tmp_path: Path, learner: Hybrid) -> None:
    _, model = trained(tmp_path, learner, posts())
    tokens = learner.public.tokenizer.encode("song of rain")
    expected = [model.after(tokens[:n].tolist())[token] for n, token in enumerate([*tokens.tolist(), EOS])]
    assert model.score(tokens).tolist() == pytest.approx(expected, rel=1e-4)
    assert model.after([]).sum() == pytest.approx(1)
    assert len(model.score(np.zeros(300, np.uint16))) == 301
    texts = [generate(model, learner.public.tokenizer, seed, start="song") for seed in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0].startswith("song")


def test_what_members_said_makes_their_posts_likelier(tmp_path: Path, learner: Hybrid) -> None:
    _, empty = trained(tmp_path / "empty", learner, [])
    _, full = trained(tmp_path / "full", learner, posts())
    said = [each.text for each in posts()]
    tokenizer = learner.public.tokenizer
    assert bits_per_byte(full, tokenizer, said) < bits_per_byte(empty, tokenizer, said) - 0.5
