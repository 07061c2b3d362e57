"""After forgetting, a store holds byte for byte what a store holds that never saw the member; at any instant."""

import os
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chain_world import SETTINGS, bytes_of, planned, posts, quiet, terms_of

from licet.model.errors import IntegrityError, NotFound, Refused
from licet.train import chain_store
from licet.train.chain import Terms
from licet.train.chain_fit import fit
from licet.train.chain_forget import forget
from licet.train.chain_model import open_model, served
from licet.train.chain_requests import ask
from licet.train.chain_store import ChainStore, write_whole
from licet.train.chain_workers import Workers
from licet.train.examples import Example
from licet.train.plan import member_mark
from licet.train.tensors import checkpoint_bytes, read_checkpoint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = "sklearn-head"
unlink = Path.unlink


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


def test_a_forgetting_that_is_killed_wherever_it_writes_ends_at_the_oracle(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, terms = posts(10), terms_of(HEAD)
    asked = planned(tmp_path / "asked", examples, 2, 3)
    fit(asked, terms, examples, workers=workers, moved=quiet)
    ask(asked, ["m3"], [], NOW)
    rest = [example for example in examples if example.member != "m3"]
    oracle = never_saw(tmp_path / "oracle", terms, rest, (2, 3), workers)
    deaths = 0
    while True:
        store = ChainStore(Path(shutil.copytree(asked.folder, tmp_path / f"killed {deaths}")))
        left = iter(range(deaths))

        def dying(path: Path, *arguments: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            (write_whole if arguments else unlink)(path, *arguments)

        def killed(store: ChainStore = store, dying: Callable[..., None] = dying) -> None:
            monkeypatch.setattr(chain_store, "write_whole", dying)
            monkeypatch.setattr(Path, "unlink", lambda path, **_: dying(path))
            forget(store, terms, examples, workers=workers, sample=0, moved=quiet)

        if in_a_child(killed) == 0:
            break
        deaths += 1
        assert set(served(store)) in ({0}, {1}, {0, 1})
        forget(store, terms, examples, workers=workers, sample=0, moved=quiet)
        assert bytes_of(store) == oracle
        assert not store.note("forgetting")
    assert deaths > 8
    assert bytes_of(store) == oracle


def in_a_child(work: Callable[[], None]) -> int:
    """Do something in a copy of this process; give how that ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a child that only writes files needs no other thread
        child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
    except BaseException:  # noqa: BLE001 # nothing of pytest may run in the child
        os._exit(1)
    os._exit(0)
