"""Requests take their shards out of service at once, wait, and say what they will cost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chain_world import bytes_of, planned, posts, quiet, terms_of

from licet.model.errors import NotFound, Refused, UsageError
from licet.train.chain_fit import fit
from licet.train.chain_forget import forget
from licet.train.chain_model import open_model, served
from licet.train.chain_requests import Flush, affordable, ask, ask_marks, cost, due, missing_marks
from licet.train.chain_workers import Workers
from licet.train.plan import member_mark, record_mark

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = "sklearn-head"


def test_a_request_takes_its_shards_out_at_once_which_is_the_model_without_those_shards(
    tmp_path: Path, workers: Workers
) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    store = planned(tmp_path / "ours", examples, 3, 2)
    fit(store, terms, examples, workers=workers, moved=quiet)
    all_shards = set(served(store))
    ask(store, ["m3"], [], NOW)
    quarantined = all_shards - set(served(store))
    assert quarantined == set(cost(store).dirty)
    assert len(quarantined) == 1
    plan, key = store.plan(), store.key()
    kept = [e for e in examples if plan.shard_of(member_mark(key, e.member)) not in quarantined]
    oracle = planned(tmp_path / "oracle", kept, 3, 2)
    fit(oracle, terms, kept, workers=workers, moved=quiet)
    assert open_model(store).digest() == open_model(oracle).digest()


def test_nothing_is_served_while_the_only_shard_is_dirty(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(4), terms_of(HEAD)
    store = planned(tmp_path, examples, 1, 2)
    fit(store, terms, examples, workers=workers, moved=quiet)
    ask(store, ["m1"], [], NOW)
    with pytest.raises(Refused, match="nothing is served"):
        open_model(store)
    forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    assert open_model(store).losses(examples).shape == (8,)


def test_the_cost_is_told_before_and_is_what_the_replay_takes(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(20), terms_of(HEAD)
    store = planned(tmp_path, examples, 4, 4)
    fit(store, terms, examples, workers=workers, moved=quiet)
    ask(store, ["m3", "m8"], [], NOW)
    told = cost(store)
    done = forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    assert (told.records, told.of) == (done.work.records, 40)


def test_a_batch_is_due_by_age_or_by_shards(tmp_path: Path, workers: Workers) -> None:
    examples = posts(10)
    store = planned(tmp_path, examples, 4, 1)
    fit(store, terms_of(HEAD), examples, workers=workers, moved=quiet)
    assert not due(store, Flush(), NOW)
    ask(store, ["m1"], [], NOW)
    assert not due(store, Flush(), NOW + timedelta(hours=23))
    assert due(store, Flush(), NOW + timedelta(hours=24))
    assert due(store, Flush(dirty=1), NOW)


def test_what_the_data_lost_is_forgotten_records_or_whole_members(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(6), terms_of(HEAD)
    store = planned(tmp_path / "ours", examples, 2, 2)
    fit(store, terms, examples, workers=workers, moved=quiet)
    lost = [e for e in examples[:-1] if e.member != "m1"]
    marks = {record_mark(store.key(), examples[-1].record), member_mark(store.key(), "m1")}
    assert set(missing_marks(store, lost)) == marks
    ask_marks(store, missing_marks(store, lost), NOW)
    with pytest.raises(Refused, match="requests wait"):
        fit(store, terms, lost, workers=workers, moved=quiet)
    forget(store, terms, lost, workers=workers, sample=0, moved=quiet)
    oracle = planned(tmp_path / "oracle", lost, 2, 2)
    fit(oracle, terms, lost, workers=workers, moved=quiet)
    assert bytes_of(store) == bytes_of(oracle)


def test_whom_neither_plan_nor_model_knows_is_passed_over(tmp_path: Path, workers: Workers) -> None:
    examples = posts(4)
    store = planned(tmp_path, examples, 2, 1)
    fit(store, terms_of(HEAD), examples, workers=workers, moved=quiet)
    before = served(store)
    ask(store, ["nobody"], ["nothing"], NOW)
    assert cost(store).requests == 0
    assert served(store) == before


def test_who_leaves_before_the_first_fit_is_not_in_the_way_of_it(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(4), terms_of(HEAD)
    store = planned(tmp_path, examples, 1, 2)
    with pytest.raises(UsageError, match="nothing is fitted"):
        ask(store, ["m1"], [], NOW)
    rest = [example for example in examples if example.member != "m1"]
    assert fit(store, terms, rest, workers=workers, moved=quiet).work.records == 6


def test_what_was_begun_is_due_whoever_asked_since(tmp_path: Path, workers: Workers) -> None:
    examples = posts(10)
    store = planned(tmp_path, examples, 4, 1)
    fit(store, terms_of(HEAD), examples, workers=workers, moved=quiet)
    store.keep_note("forgetting", {"requests": {}})
    assert due(store, Flush(), NOW)
    ask(store, ["m1"], [], NOW)
    assert due(store, Flush(), NOW)


def test_a_budget_replays_the_oldest_and_the_rest_waits_in_quarantine(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(20), terms_of(HEAD)
    store = planned(tmp_path / "ours", examples, 4, 1)
    fit(store, terms, examples, workers=workers, moved=quiet)
    shard_of = {e.member: store.plan().shard_of(member_mark(store.key(), e.member)) for e in examples}
    first, second = "m0", next(member for member, shard in shard_of.items() if shard != shard_of["m0"])
    ask(store, [first], [], NOW, "r_1")
    alone = cost(store)
    ask(store, [second], [], NOW + timedelta(hours=1), "r_1")
    assert set(affordable(store, alone.records / alone.of)) == {member_mark(store.key(), first)}
    with pytest.raises(NotFound, match="within the budget"):
        forget(store, terms, examples, workers=workers, sample=0, moved=quiet, budget=0)
    one = forget(store, terms, examples, workers=workers, sample=0, moved=quiet, budget=alone.records / alone.of)
    assert (one.replayed, one.recalls) == (alone.records, ())
    assert set(served(store)) == {0, 1, 2, 3} - {shard_of[second]}
    two = forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    assert two.recalls == ("r_1",)
    rest = [e for e in examples if e.member not in {first, second}]
    oracle = planned(tmp_path / "oracle", rest, 4, 1)
    fit(oracle, terms, rest, workers=workers, moved=quiet)
    assert bytes_of(store) == bytes_of(oracle)
