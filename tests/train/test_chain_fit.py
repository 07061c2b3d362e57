"""A fit is the same whatever happened on the way, and refuses what it could not undo."""

import os
import signal
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from chain_world import KEY, bytes_of, planned, posts, quiet, terms_of, wait_for_workers

from licet.model.errors import Refused, Unavailable
from licet.train.chain_fit import fit
from licet.train.chain_model import open_model
from licet.train.chain_workers import Workers
from licet.train.plan import join, member_mark

TERMS = "sklearn-head"


def test_fitting_again_trains_nothing_and_changes_nothing(tmp_path: Path, workers: Workers) -> None:
    examples = posts(8)
    store = planned(tmp_path, examples, 2, 2)
    assert fit(store, terms_of(TERMS), examples, workers=workers, moved=quiet).work.records == 16
    before = bytes_of(store)
    assert fit(store, terms_of(TERMS), examples, workers=workers, moved=quiet).work.records == 0
    assert bytes_of(store) == before


def test_the_order_of_the_data_changes_nothing(tmp_path: Path, workers: Workers) -> None:
    examples = posts(8)
    one, other = planned(tmp_path / "one", examples, 2, 2), planned(tmp_path / "other", examples, 2, 2)
    fit(one, terms_of(TERMS), examples, workers=workers, moved=quiet)
    fit(other, terms_of(TERMS), examples[::-1], workers=workers, moved=quiet)
    assert bytes_of(one) == bytes_of(other)


def test_members_who_join_later_cost_their_own_slices_only(tmp_path: Path, workers: Workers) -> None:
    examples = posts(8)
    late = {"m6", "m7"}
    store = planned(tmp_path, examples, 2, 2, without=frozenset(late))
    first = fit(store, terms_of(TERMS), examples, workers=workers, moved=quiet)
    assert (first.waiting, first.work.records) == (4, 12)
    before = bytes_of(store)
    store.keep_plan(join(store.plan(), {member_mark(KEY, name): 0 for name in late}))
    second = fit(store, terms_of(TERMS), examples, workers=workers, moved=quiet)
    assert (second.waiting, second.work.records) == (0, 4)
    kept = {name: content for name, content in before.items() if name.startswith("ckpt")}
    assert kept.items() <= bytes_of(store).items()


def test_records_that_come_after_their_generation_wait(tmp_path: Path, workers: Workers) -> None:
    examples = posts(4)
    store = planned(tmp_path, examples, 1, 1)
    fit(store, terms_of(TERMS), examples[:-1], workers=workers, moved=quiet)
    again = fit(store, terms_of(TERMS), examples, workers=workers, moved=quiet)
    assert (again.late, again.work.records) == (1, 0)


def test_data_that_lost_records_is_refused(tmp_path: Path, workers: Workers) -> None:
    examples = posts(4)
    store = planned(tmp_path, examples, 1, 1)
    fit(store, terms_of(TERMS), examples, workers=workers, moved=quiet)
    with pytest.raises(Refused, match="1 records that the model saw"):
        fit(store, terms_of(TERMS), examples[1:], workers=workers, moved=quiet)


def test_two_runs_on_one_store_are_refused(tmp_path: Path, workers: Workers) -> None:
    examples = posts(2)
    store = planned(tmp_path, examples, 1, 1)
    with store.locked(), pytest.raises(Unavailable, match="at work"):
        fit(store, terms_of(TERMS), examples, workers=workers, moved=quiet)


@pytest.mark.parametrize("aggregate", ["probabilities", "weights"])
def test_shards_answer_together(tmp_path: Path, workers: Workers, aggregate: str) -> None:
    examples = posts(12)
    store = planned(tmp_path, examples, 3, 1)
    fit(store, terms_of(TERMS, aggregate, epochs="40"), examples, workers=workers, moved=quiet)
    model = open_model(store)
    assert len(model.states) == (3 if aggregate == "probabilities" else 1)
    answers = model.predict(examples)
    assert all(abs(answer.sum() - 1) < 1e-12 for answer in answers)
    right = [
        answer[0].argmax() == wanted[0] for answer, wanted in zip(answers, model.learner.targets(examples), strict=True)
    ]
    assert sum(right) >= 20


def test_sums_in_shards_are_one_head(tmp_path: Path, workers: Workers) -> None:
    examples = posts(24)
    one, many = (planned(tmp_path / str(size), examples, size, 2) for size in (1, 7))
    for store in (one, many):
        fit(store, terms_of("ridge-head", "weights"), examples, workers=workers, moved=quiet)
    answers = [np.concatenate(open_model(store).predict(examples)) for store in (one, many)]
    assert answers[0] == pytest.approx(answers[1], abs=1e-9)
    wanted = np.concatenate(open_model(one).learner.targets(examples))
    assert (answers[0].argmax(axis=1) == wanted).mean() > 0.9


def test_a_fit_that_is_killed_goes_on_to_the_same_bytes_in_another_process(tmp_path: Path, workers: Workers) -> None:
    examples = posts(40)
    terms = terms_of("chain_world:SlowHead")
    killed, whole = planned(tmp_path / "killed", examples, 2, 6), planned(tmp_path / "whole", examples, 2, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child has its own worker and no other thread
        child = os.fork()
    if not child:
        with Workers(1) as others:
            fit(killed, terms, examples, workers=others, moved=quiet)
        os._exit(0)
    while len(killed.checkpoints()) < 3:
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_for_workers(killed)
    assert 3 <= len(killed.checkpoints()) < 12
    fit(killed, terms, examples, workers=workers, moved=quiet)
    fit(whole, terms, examples, workers=workers, moved=quiet)
    assert bytes_of(killed) == bytes_of(whole)
