"""Copies of a model follow it, so that before and after never lie side by side."""

from pathlib import Path

import pytest
from encoded import KEY, posts

from licet.model.errors import Refused, UsageError
from licet.train.algebra import Algebra
from licet.train.algebra_fit import fit
from licet.train.algebra_forget import forget
from licet.train.algebra_store import AlgebraStore
from licet.train.publish import publish, published


def test_after_forgetting_no_copy_of_the_model_before_is_left(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = AlgebraStore(root=tmp_path / "model")
    before = fit(store, learners["ridge"], posts())
    copies = [tmp_path / "one.safetensors", tmp_path / "elsewhere" / "two.safetensors", tmp_path / "gone.safetensors"]
    for copy in copies:
        publish(store, copy)
    old = (store.objects / before.model_file).read_bytes()
    assert {copy.read_bytes() for copy in copies} == {old}
    copies[2].unlink()
    forget(store, learners["ridge"], KEY, lambda who, _: who == "m1")
    new = (store.objects / store.current().model_file).read_bytes()
    assert new != old
    assert {copy.read_bytes() for copy in copies[:2]} == {new}
    assert not copies[2].exists()
    assert len(published(store)) == 3


def test_tables_of_counts_are_not_published(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    for kind in ("ngram", "hybrid"):
        store = AlgebraStore(root=tmp_path / kind)
        fit(store, learners[kind], posts())
        with pytest.raises(Refused, match="members' posts"):
            publish(store, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_nothing_is_published_while_a_request_waits_or_into_the_store(
    tmp_path: Path, learners: dict[str, Algebra]
) -> None:
    store = AlgebraStore(root=tmp_path / "model")
    fit(store, learners["bayes"], posts())
    (tmp_path / "link").symlink_to(store.objects)
    for inside in (store.objects / "copy", tmp_path / "other" / ".." / "model" / "copy", tmp_path / "link" / "copy"):
        with pytest.raises(UsageError, match="outside"):
            publish(store, inside)
    store.pending.write_bytes(b"{}")
    with pytest.raises(UsageError, match="carried out"):
        publish(store, tmp_path / "copy")
