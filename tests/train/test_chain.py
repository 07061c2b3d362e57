from pathlib import Path

import pytest
from chain_world import KEY, planned, posts, quiet, terms_of
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import IntegrityError, LicetError, Refused, UsageError
from licet.train.chain import Terms, check_terms, kept_terms, lineage, load, new_terms
from licet.train.chain_fit import fit
from licet.train.chain_manifest import Entry, Manifest
from licet.train.chain_workers import Workers
from licet.train.learner import LEARNERS
from licet.train.plan import Slice, new_plan

PLAN = new_plan(KEY, 4, 3)
TERMS = Terms(learner="x", settings={}, aggregate="weights", code="c", environment={"cpu": "a"})


def seen(contents: list[list[int]]) -> Manifest:
    places = {
        Slice(generation=0, bucket=bucket): tuple(
            Entry(content=f"{n:064x}", member=f"{n:032x}", record=f"{n:032x}") for n in sorted(numbers)
        )
        for bucket, numbers in enumerate(contents)
        if numbers
    }
    return Manifest(generations=1, slices=places)


@settings(max_examples=50)
@given(contents=st.lists(st.lists(st.integers(0, 99), unique=True, max_size=4), min_size=3, max_size=3), data=st.data())
def test_a_checkpoint_s_name_changes_exactly_when_what_it_saw_does(
    contents: list[list[int]], data: st.DataObject
) -> None:
    bucket = data.draw(st.integers(0, 2))
    changed = [list(numbers) for numbers in contents]
    changed[bucket] = [*changed[bucket], 1000]
    before = {step.place: step.key for step in lineage(PLAN, TERMS, 1, seen(contents))}
    after = {step.place: step.key for step in lineage(PLAN, TERMS, 1, seen(changed))}
    for place, key in before.items():
        assert (key == after[place]) == (place.bucket < bucket)


@pytest.mark.parametrize(
    "other",
    [
        Terms(learner="y", settings={}, aggregate="weights", code="c", environment={"cpu": "a"}),
        Terms(learner="x", settings={"rate": "1"}, aggregate="weights", code="c", environment={"cpu": "a"}),
        Terms(learner="x", settings={}, aggregate="weights", code="d", environment={"cpu": "a"}),
        Terms(learner="x", settings={}, aggregate="weights", code="c", environment={"cpu": "b"}),
    ],
)
def test_other_terms_name_other_checkpoints_and_are_refused(other: Terms) -> None:
    held = seen([[1], [2], [3]])
    assert {s.key for s in lineage(PLAN, TERMS, 1, held)}.isdisjoint(s.key for s in lineage(PLAN, other, 1, held))
    with pytest.raises(Refused):
        check_terms(TERMS, other)


def test_the_refusal_says_in_what_the_machine_differs() -> None:
    other = Terms(learner="x", settings={}, aggregate="weights", code="c", environment={"cpu": "b"})
    with pytest.raises(Refused, match="cpu: a then, b here"):
        check_terms(TERMS, other)


def test_shards_of_one_store_never_share_a_name() -> None:
    held = seen([[1], [2], [3]])
    keys = [step.key for shard in range(4) for step in lineage(PLAN, TERMS, shard, held)]
    assert len(set(keys)) == 12


def test_an_unknown_aggregation_is_refused() -> None:
    with pytest.raises(UsageError, match="no aggregation"):
        new_terms("sklearn-head", {}, "vote", {})


def test_nothing_fitted_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run licet train fit"):
        kept_terms(planned(tmp_path, posts(2), 1, 1))


def test_a_damaged_checkpoint_is_never_built_upon(tmp_path: Path, workers: Workers) -> None:
    examples = posts(6)
    store = planned(tmp_path, examples, 1, 2)
    terms = terms_of("sklearn-head")
    fit(store, terms, examples, workers=workers, moved=quiet)
    steps = lineage(store.plan(), terms, 0, store.manifest(0))
    path = store.checkpoint(0, steps[0].place, steps[0].key)
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(IntegrityError):
        load(store, 0, steps[0].place, steps[0].key)
    store.checkpoint(0, steps[1].place, steps[1].key).unlink()
    with pytest.raises(LicetError, match=r"damaged|cannot be read"), Workers(1) as others:
        fit(store, terms, examples, workers=others, moved=quiet)


def test_a_learner_that_fails_says_how_but_quotes_no_record(tmp_path: Path) -> None:
    examples = posts(3)
    store = planned(tmp_path, examples, 1, 1)
    with pytest.raises(LicetError) as told, Workers(1) as workers:
        fit(store, terms_of("sklearn-head", labels="up,down"), examples, workers=workers, moved=quiet)
    assert "ValueError" in str(told.value)
    assert not any(example.text in str(told.value) or example.label in str(told.value) for example in examples)


@pytest.mark.parametrize("learner", ["hf-trainer", "peft-lora"])
def test_another_version_of_what_a_learner_is_made_of_is_refused_however_the_learner_is_named(
    monkeypatch: pytest.MonkeyPatch, learner: str
) -> None:
    for name in (learner, LEARNERS[learner]):
        with monkeypatch.context() as older:
            older.setattr("licet.train.chain.version", lambda _: "1")
            kept = new_terms(name, {}, "weights", {})
        with pytest.raises(Refused, match=r"transformers: 1 then, \d"):
            check_terms(kept, new_terms(name, {}, "weights", {}))


def test_another_encoder_is_other_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"labels": "good,bad", "encoder": "minilm"}
    kept = new_terms("sklearn-head", settings, "weights", {})
    monkeypatch.setattr("licet.train.encoder.encoder_digest", lambda: "another")
    with pytest.raises(Refused, match=r"encoder MiniLM-L6: [0-9a-f]{64} then, another here"):
        check_terms(kept, new_terms("sklearn-head", settings, "weights", {}))
