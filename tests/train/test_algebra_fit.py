"""Fitting: in any number of steps, and after a kill, the same bytes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from encoded import posts

from licet.model.errors import InputError, IntegrityError, Refused, UsageError
from licet.train.algebra import Algebra
from licet.train.algebra_fit import fit
from licet.train.algebra_store import AlgebraStore
from licet.train.environment import environment


class Interrupted(Exception):
    """The run ends in the midst of it."""


def files(store: AlgebraStore) -> dict[str, bytes]:
    return {str(p.relative_to(store.root)): p.read_bytes() for p in store.root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", ["bayes", "ridge", "ngram"])
def test_in_two_steps_and_in_any_order_the_model_is_the_same(
    tmp_path: Path, learners: dict[str, Algebra], kind: str
) -> None:
    once, twice = AlgebraStore(root=tmp_path / "once"), AlgebraStore(root=tmp_path / "twice")
    fit(once, learners[kind], posts())
    fit(twice, learners[kind], posts()[7:])
    fit(twice, learners[kind], reversed(posts()))
    assert files(once) == files(twice)


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    whole, broken = AlgebraStore(root=tmp_path / "whole"), AlgebraStore(root=tmp_path / "broken")
    fit(whole, learners["bayes"], posts())
    left = iter(range(9))

    def stop(_: int) -> None:
        if next(left, None) is None:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(broken, learners["bayes"], posts(), stop)
    assert not broken.exists()
    encoded = len(list(broken.objects.iterdir()))
    assert encoded > 0
    fit(broken, learners["bayes"], posts())
    assert files(whole) == files(broken)


def test_a_label_that_was_not_frozen_is_refused(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    with pytest.raises(InputError, match="label"):
        fit(AlgebraStore(root=tmp_path), learners["bayes"], posts(label="new"))


def test_a_record_that_stands_twice_is_refused(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    with pytest.raises(IntegrityError, match="twice"):
        fit(AlgebraStore(root=tmp_path), learners["bayes"], [*posts(), posts()[0]])


def test_a_store_keeps_to_its_learner_and_its_machine(
    tmp_path: Path, learners: dict[str, Algebra], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AlgebraStore(root=tmp_path)
    fit(store, learners["bayes"], posts())
    with pytest.raises(UsageError, match="another learner"):
        fit(store, learners["ridge"], posts())
    monkeypatch.setattr("licet.train.algebra_fit.environment", lambda: {**environment(), "torch": "1.0"})
    with pytest.raises(Refused, match=r"torch: 2\.13\.0.* then, 1\.0 here"):
        fit(store, learners["bayes"], posts())


def test_examples_may_come_one_by_one(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    def stream() -> Iterator[object]:
        yield from posts()

    assert fit(AlgebraStore(root=tmp_path), learners["bayes"], stream()).records == len(posts())  # type: ignore[arg-type] # examples
