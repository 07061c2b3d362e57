"""A chain's certificate says what was done, and whoever holds the data finds whatever in it is not so."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chain_world import planned, posts, quiet, terms_of
from encoded import KEY

from licet.protocol.certificate import Certificate, Change, Level, Metric, read_certificate
from licet.train.chain_certify import certificates, certify, check, check_removed, members_left
from licet.train.chain_fit import fit
from licet.train.chain_forget import Forgotten, forget
from licet.train.chain_quality import SURPRISE
from licet.train.chain_requests import ask
from licet.train.chain_store import ChainStore
from licet.train.chain_workers import Workers
from licet.train.plan import member_mark

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POSTS, TERMS = posts(12), terms_of("sklearn-head")
LEFT = [example for example in POSTS if example.member not in {"m3", "m4"}]


def forgotten(
    folder: Path, workers: Workers, sample: float, members: tuple[str, ...] = ("m3", "m4")
) -> tuple[ChainStore, Certificate, Forgotten]:
    store = planned(folder, POSTS, 4, 2)
    fit(store, TERMS, POSTS, workers=workers, moved=quiet)
    ask(store, members, [], NOW, "r_1")
    ask(store, members, [], NOW, "r_2")
    done = forget(store, TERMS, POSTS, workers=workers, sample=sample, moved=quiet,
                  certify=lambda done: certify(store, done, KEY))  # fmt: skip
    return store, read_certificate(certificates(store)[-1].read_bytes()), done


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, workers: Workers) -> tuple[ChainStore, Certificate]:
    """A store that lost two members of two shards, audited whole, and its certificate."""
    store, read, _ = forgotten(tmp_path_factory.mktemp("story") / "model", workers, 1)
    return store, read


def failed(store: ChainStore, read: Certificate, workers: Workers, *, everything: bool = False) -> set[str]:
    found = check(store, read, TERMS, LEFT, everything=everything, workers=workers)
    return {each.name for each in found if not each.passed}


def test_what_is_certified_holds(story: tuple[ChainStore, Certificate], workers: Workers) -> None:
    store, read = story
    assert failed(store, read, workers, everything=True) == set()
    assert (read.recall, read.level, len(read.lineages)) == ("r_1, r_2", Level.SHARD_ORACLE, 2)
    (metric,) = read.metrics
    assert metric.name == SURPRISE
    assert metric.after == metric.oracle
    assert metric.before != metric.after
    assert all(0 < float(figure) < 5 for figure in (metric.before, metric.after))


@pytest.mark.parametrize("sample", [0, 0.5])
def test_shards_that_were_not_trained_from_scratch_are_not_said_to_be(
    tmp_path: Path, workers: Workers, sample: float
) -> None:
    _, read, done = forgotten(tmp_path, workers, sample)
    assert sum(each.audited for each in done.shards) == 2 * sample
    assert read.level is Level.SUFFIX_REPLAY
    assert sum(bool(each.oracle) for each in read.lineages) == 2 * sample
    assert [metric.oracle for metric in read.metrics] == [""]


FORGED: dict[str, Callable[[Certificate], Certificate]] = {
    "plan": lambda read: replace(read, plan="0" * 64),
    "learner": lambda read: replace(read, learner={**read.learner, "aggregate": "weights"}),
    "untouched shards": lambda read: replace(read, untouched=dict.fromkeys(read.untouched, "0" * 64)),
    "set of records": lambda read: replace(read, rows=Change(before=read.rows.before, after="0" * 64)),
    "tensors": lambda read: replace(read, tensors={name: Change(before="", after="0") for name in read.tensors}),
    "metric": lambda read: replace(read, metrics=(Metric(name=SURPRISE, before="", after="0.1000"),)),
    "destroyed artefacts": lambda read: replace(read, destroyed=(read.lineages[0].output,)),
}


@pytest.mark.parametrize("part", FORGED)
def test_each_part_that_is_not_so_is_found(story: tuple[ChainStore, Certificate], workers: Workers, part: str) -> None:
    store, read = story
    assert part in failed(store, FORGED[part](read), workers)


def test_a_checkpoint_that_was_swapped_is_found(
    tmp_path: Path, story: tuple[ChainStore, Certificate], workers: Workers
) -> None:
    store, read = ChainStore(Path(shutil.copytree(story[0].folder, tmp_path / "model"))), story[1]
    one, other = store.checkpoints()[:2]
    one.write_bytes(other.read_bytes())
    assert failed(store, read, workers, everything=True) == {"every checkpoint"}


def test_exactly_the_removed_keys_fit(story: tuple[ChainStore, Certificate]) -> None:
    store, read = story
    keys = [(example.member, example.record) for example in POSTS if example not in LEFT]
    assert all(each.passed for each in check_removed(store, read, keys))
    others = [(example.member, example.record) for example in LEFT[:2]]
    assert [each.passed for each in check_removed(store, read, others)] == [False, False]
    assert (members_left(store, ["m3", "m4"]), members_left(store, ["m3", "m5"])) == (0, 1)


def test_a_shard_that_nobody_is_left_in_has_no_figure(tmp_path: Path, workers: Workers) -> None:
    members = {example.member for example in POSTS}
    key = planned(tmp_path / "plan", POSTS, 4, 2).key()
    one = {member for member in members if int(member_mark(key, member), 16) % 4 == 0}
    store, read, _ = forgotten(tmp_path / "model", workers, 1, tuple(one))
    assert read.metrics == ()
    assert [each.output for each in read.lineages] == [""]
    left = [example for example in POSTS if example.member not in one]
    found = check(store, read, TERMS, left, everything=True, workers=workers)
    assert [each.name for each in found if not each.passed] == []
