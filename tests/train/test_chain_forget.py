"""After forgetting, a store holds byte for byte what a store holds that never saw the member; at any instant."""

import contextlib
import os
import secrets
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from chain_world import SETTINGS, Here, bytes_of, planned, posts, quiet, terms_of
from encoded import KEY

from licet.model.errors import IntegrityError, NotFound, Refused
from licet.protocol.certificate import read_certificate
from licet.train import chain_forget
from licet.train.chain import Terms, lineage
from licet.train.chain_certify import certificates, certify
from licet.train.chain_fit import fit
from licet.train.chain_forget import forget
from licet.train.chain_model import open_model, served
from licet.train.chain_requests import ask
from licet.train.chain_store import ChainStore, file_digest
from licet.train.chain_workers import Workers
from licet.train.durable import FRESH
from licet.train.examples import Example
from licet.train.plan import join, member_mark
from licet.train.tensors import checkpoint_bytes, read_checkpoint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = "sklearn-head"


def never_saw(
    folder: Path, terms: Terms, examples: list[Example], size: tuple[int, int], workers: Workers
) -> dict[str, bytes]:
    """The oracle: a store of its own, planned and fitted from the beginning without the records."""
    store = planned(folder, examples, *size)
    fit(store, terms, examples, workers=workers, moved=quiet)
    return bytes_of(store)


@pytest.mark.parametrize("aggregate", ["probabilities", "weights"])
@pytest.mark.parametrize("learner", [name for name in SETTINGS if ":" not in name])
def test_every_learner_forgets_to_the_last_byte(tmp_path: Path, workers: Workers, learner: str, aggregate: str) -> None:
    examples, terms = posts(10), terms_of(learner, aggregate)
    store = planned(tmp_path / "ours", examples, 2, 3)
    fit(store, terms, examples, workers=workers, moved=quiet)
    before = open_model(store).digest()
    ask(store, ["m3"], [], NOW)
    done = forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    rest = [example for example in examples if example.member != "m3"]
    assert bytes_of(store) == never_saw(tmp_path / "oracle", terms, rest, (2, 3), workers)
    assert open_model(store).digest() != before
    assert 0 < done.work.records < len(rest)


@pytest.mark.parametrize("size", [(1, 4), (5, 1)])
def test_one_shard_is_tier_c_and_batches_of_any_kind_end_at_the_oracle(
    tmp_path: Path, workers: Workers, size: tuple[int, int]
) -> None:
    examples, terms = posts(12), terms_of(HEAD)
    store = planned(tmp_path / "ours", examples, *size)
    fit(store, terms, examples, workers=workers, moved=quiet)
    ask(store, ["m1", "m7"], [], NOW)
    forget(store, terms, examples, workers=workers, sample=1, moved=quiet)
    ask(store, ["m2"], ["r0"], NOW)
    forget(store, terms, examples, workers=workers, sample=1, moved=quiet)
    rest = [e for e in examples if e.member not in {"m1", "m7", "m2"} and e.record != "r0"]
    assert bytes_of(store) == never_saw(tmp_path / "oracle", terms, rest, size, workers)


def test_everything_that_saw_the_member_is_destroyed_and_listed(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    store = planned(tmp_path, examples, 2, 3)
    fit(store, terms, examples, workers=workers, moved=quiet)
    before = {path.name for path in store.checkpoints()}
    stray = store.checkpoints()[0].with_name(".half-written.part")
    stray.write_bytes(b"half")
    ask(store, ["m3"], [], NOW)
    done = forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    gone = before - {path.name for path in store.checkpoints()}
    assert gone
    assert {Path(name).name for name in done.destroyed} == gone | {stray.name}
    assert not stray.exists()
    assert done.plan_before != done.plan_after


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    store = planned(tmp_path, posts(4), 1, 2)
    for name in (".oracle-x/ckpt/0/a.safetensors", "manifest/0.json.new", "waiting.json.new"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"saw somebody")
    with store.locked():
        assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
            "plan.json", "plan.key", "lock", "workers.lock",
        }  # fmt: skip


def test_forgetting_nothing_or_elsewhere_is_refused(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(4), terms_of(HEAD)
    store = planned(tmp_path, examples, 1, 2)
    fit(store, terms, examples, workers=workers, moved=quiet)
    with pytest.raises(NotFound, match="nothing waits"):
        forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    ask(store, ["m1"], [], NOW)
    elsewhere = Terms(
        learner=terms.learner,
        settings=terms.settings,
        aggregate=terms.aggregate,
        code=terms.code,
        environment={"machine": "there"},
    )
    with pytest.raises(Refused, match="machine: here then, there here"):
        forget(store, elsewhere, examples, workers=workers, sample=0, moved=quiet)


def test_the_audit_finds_a_shard_that_is_not_its_oracle(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    store = planned(tmp_path, examples, 1, 3)
    fit(store, terms, examples, workers=workers, moved=quiet)
    first = store.checkpoints()[0]
    changed = terms_of(HEAD, rate="0.01")
    other = planned(tmp_path / "other", examples, 1, 3)
    fit(other, changed, examples, workers=workers, moved=quiet)
    first.write_bytes(_renamed(other.checkpoints()[0].read_bytes(), first))
    last = max(examples, key=lambda e: store.plan().slice_of(_mark(store.key(), e)))
    ask(store, [last.member], [], NOW)
    with pytest.raises(IntegrityError, match="from scratch"):
        forget(store, terms, examples, workers=workers, sample=1, moved=quiet)


def _renamed(content: bytes, path: Path) -> bytes:
    state, _ = read_checkpoint(content)
    _, header = read_checkpoint(path.read_bytes())
    return checkpoint_bytes(state, {name: value for name, value in header.items() if name != "tensors"})


def _mark(key: bytes, example: Example) -> str:
    return member_mark(key, example.member)


def test_members_leave_a_fit_that_was_killed(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    store = planned(tmp_path / "ours", examples, 2, 3)
    fit(store, terms, examples, workers=workers, moved=quiet)
    for path in store.checkpoints()[1::2]:
        path.unlink()
    (store.folder / "served.json").unlink()
    ask(store, ["m3"], [], NOW)
    forget(store, terms, examples, workers=workers, sample=1, moved=quiet)
    rest = [example for example in examples if example.member != "m3"]
    fit(store, terms, rest, workers=workers, moved=quiet)
    assert bytes_of(store) == never_saw(tmp_path / "oracle", terms, rest, (2, 3), workers)


def test_everybody_can_go_come_back_and_go_again(tmp_path: Path, workers: Workers) -> None:
    examples, terms = posts(4), terms_of(HEAD)
    store = planned(tmp_path / "ours", examples, 2, 2)
    fit(store, terms, examples, workers=workers, moved=quiet)
    everybody = {example.member for example in examples}
    ask(store, everybody, [], NOW)
    forget(store, terms, [], workers=workers, sample=1, moved=quiet)
    assert (store.checkpoints(), served(store)) == ([], {})
    store.keep_plan(join(store.plan(), {_mark(store.key(), example): 0 for example in examples}))
    fit(store, terms, examples, workers=workers, moved=quiet)
    assert store.checkpoints()
    ask(store, everybody, [], NOW)
    forget(store, terms, examples, workers=workers, sample=1, moved=quiet)
    oracle = planned(tmp_path / "oracle", [], 2, 2)
    oracle.keep_plan(join(oracle.plan(), {}))
    fit(oracle, terms, [], workers=workers, moved=quiet)
    assert bytes_of(store) == bytes_of(oracle)


def test_a_shard_whose_next_member_asked_meanwhile_stays_out_of_service(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    store = planned(tmp_path, examples, 1, 3)
    fit(store, terms, examples, workers=workers, moved=quiet)
    ask(store, ["m3"], [], NOW)
    with monkeypatch.context() as broken:
        broken.setattr(chain_forget, "advance", _raise)
        with pytest.raises(KeyboardInterrupt):
            forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    ask(store, ["m5"], [], NOW)
    forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    assert served(store) == {}
    forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    assert set(served(store)) == {0}


def test_more_than_nine_slices_keep_their_order_in_a_batch_that_was_interrupted(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, terms = posts(60, each=1), terms_of(HEAD)
    store = planned(tmp_path, examples, 1, 12)
    fit(store, terms, examples, workers=workers, moved=quiet)
    last = max(examples, key=lambda each: store.plan().slice_of(_mark(store.key(), each)))
    ask(store, [last.member], [], NOW)
    names = [step.place for step in lineage(store.plan(), terms, 0, store.manifest(0))]
    assert len(names) > 10
    with monkeypatch.context() as broken:
        broken.setattr(chain_forget, "advance", _raise)
        with pytest.raises(KeyboardInterrupt):
            forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
    (shard,) = forget(store, terms, examples, workers=workers, sample=0, moved=quiet).shards
    places = [tuple(map(int, name.partition(".")[0].split("-"))) for name in shard.before]
    assert places == [(place.generation, place.bucket) for place in names]
    assert shard.start == list(shard.after)[: len(places) - 1][-1]


def _raise(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_changed_between_two_runs_of_a_batch_is_found_by_the_audit(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    store = interrupted(tmp_path, examples, terms, workers, monkeypatch)
    first = store.checkpoints()[0]
    state, _ = read_checkpoint(first.read_bytes())
    first.write_bytes(_renamed(checkpoint_bytes({name: array + 1 for name, array in state.items()}, {}), first))
    with pytest.raises(IntegrityError, match="from scratch"):
        forget(store, terms, examples, workers=workers, sample=1, moved=quiet)


def test_a_checkpoint_that_was_damaged_when_a_batch_began_can_be_made_again(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    store = interrupted(tmp_path, examples, terms, workers, monkeypatch, damage=True)
    store.checkpoints()[0].unlink()
    (shard,) = forget(store, terms, examples, workers=workers, sample=1, moved=quiet).shards
    assert shard.audited
    assert dict(shard.after) == {path.name: file_digest(path) for path in store.checkpoints()}


def interrupted(
    folder: Path,
    examples: list[Example],
    terms: Terms,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
    *,
    damage: bool = False,
) -> ChainStore:
    """Fit, and stop forgetting a member of the last slice when the batch has just begun."""
    store = planned(folder, examples, 1, 3)
    fit(store, terms, examples, workers=workers, moved=quiet)
    last = max(examples, key=lambda each: store.plan().slice_of(_mark(store.key(), each)))
    ask(store, [last.member], [], NOW)
    if damage:
        store.checkpoints()[0].write_bytes(b"damaged")
    with monkeypatch.context() as broken:
        broken.setattr(chain_forget, "advance", _raise)
        with pytest.raises(KeyboardInterrupt):
            forget(store, terms, examples, workers=workers, sample=1, moved=quiet)
    return store


SAME = {"issued_at", "cost", "key_id"}
"""What may differ between the certificate of a run that was killed and of one that was not."""


def signed(store: ChainStore) -> dict[str, object]:
    (path,) = certificates(store)
    said: dict[str, object] = read_certificate(path.read_bytes()).value()
    cost = said["cost"]
    assert isinstance(cost, dict)
    counted = {name: value for name, value in cost.items() if "seconds" not in name}
    return {name: value for name, value in said.items() if name not in SAME} | counted


def test_a_forgetting_that_is_killed_wherever_it_writes_ends_at_the_oracle_and_the_same_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "5a17")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a killed process loses nothing that it wrote; a disk is slow
    examples, terms, size = posts(10), terms_of(HEAD), (2, 3)
    asked = planned(tmp_path / "asked", examples, *size)
    workers = Here(1)
    fit(asked, terms, examples, workers=workers, moved=quiet)
    ask(asked, ["m3"], [], NOW, "r_7")
    rest = [example for example in examples if example.member != "m3"]
    oracle = never_saw(tmp_path / "oracle", terms, rest, size, workers)

    def run(store: ChainStore) -> None:
        sign = partial(certify, store, key=KEY)
        forget(store, terms, examples, workers=workers, sample=1, moved=quiet, certify=sign)

    def copied(name: str) -> ChainStore:
        return ChainStore(Path(shutil.copytree(asked.folder, tmp_path / name)))

    whole = copied("whole")
    run(whole)
    wanted = signed(whole)
    assert wanted["recall"] == "r_7"
    deaths = 0
    while in_a_child(run, store := copied(f"killed {deaths}"), deaths):
        deaths += 1
        assert set(served(store)) <= {0, 1}
        if store.note("forgetting"):
            run(store)
        else:
            with contextlib.suppress(NotFound):
                run(store)
        assert bytes_of(store) == oracle
        assert signed(store) == wanted
        assert [path.name for path in store.folder.rglob("*.new")] == []
        assert list(store.folder.glob(".oracle-*")) == []
    assert deaths > 20
    assert bytes_of(store) == oracle


def in_a_child(work: Callable[[ChainStore], None], store: ChainStore, writes: int) -> int:
    """Do something in a copy of this process that is killed after some writes; give how that ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a child that only writes files needs no other thread
        child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    sys.addaudithook(dying(writes))
    try:
        work(store)
    except BaseException:  # noqa: BLE001 # nothing of pytest may run in the child
        os._exit(1)
    os._exit(0)


def dying(writes: int) -> Callable[[str, tuple[object, ...]], None]:
    """Give a hook that kills the process before it opens, renames or removes one file more."""
    left = iter(range(writes))

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        scratch = ".oracle-" in str(arguments[0]) if arguments else False
        draft = event == "open" and str(arguments[0]).endswith(FRESH)
        counts = (draft or event in {"os.rename", "os.remove"}) and not scratch
        if (counts or event == "os.rmdir") and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook
