"""How well shards do is measured on their own records, and never stops a forgetting."""

from pathlib import Path

import numpy as np
import pytest
from chain_world import planned, posts, quiet, terms_of

from licet.train.chain_fit import fit
from licet.train.chain_manifest import divide
from licet.train.chain_model import Model
from licet.train.chain_quality import surprise
from licet.train.chain_workers import Workers
from licet.train.learner import find_learner


def test_each_shard_is_measured_on_its_own_records(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(9), terms_of("sklearn-head")
    store = planned(tmp_path, examples, 2, 2)
    fit(store, terms, examples, workers=workers, moved=quiet)
    divided, _ = divide(store.plan(), store.key(), examples)
    manifests = {shard: store.manifest(shard) for shard in range(2)}
    flat = Model(
        learner=find_learner(terms.learner, terms.settings),
        states=({"coef": np.zeros((2, 32)), "intercept": np.zeros(2)},),
    )
    assert flat.losses(examples) == pytest.approx(np.full(18, np.log(2)))
    both = float(surprise(store, terms, divided, manifests))
    one, other = (float(surprise(store, terms, divided, {shard: manifests[shard]})) for shard in range(2))
    many = [sum(map(len, manifest.slices.values())) for manifest in manifests.values()]
    assert both == pytest.approx((one * many[0] + other * many[1]) / 18, abs=2e-4)
    assert both < np.log(2)


def test_what_cannot_be_measured_is_left_out(tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    examples, terms = posts(4), terms_of("sklearn-head")
    store = planned(tmp_path, examples, 1, 2)
    fit(store, terms, examples, workers=workers, moved=quiet)
    divided, _ = divide(store.plan(), store.key(), examples)
    assert surprise(store, terms, divided, {}) == ""
    monkeypatch.setattr(Model, "losses", lambda *_: int("no number"))
    assert surprise(store, terms, divided, {0: store.manifest(0)}) == ""
    monkeypatch.undo()
    store.checkpoints()[-1].unlink()
    assert surprise(store, terms, divided, {0: store.manifest(0)}) == ""
