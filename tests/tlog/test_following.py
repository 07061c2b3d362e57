"""A whole log, read by somebody who trusts nobody."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import IntegrityError
from licet.tlog.checkpoints import Checkpoint
from licet.tlog.following import entries_of
from licet.tlog.merkle import leaf_hash, root_of
from licet.tlog.tiles import WIDTH, Tile, bundle_of


def a_log(size: int) -> list[bytes]:
    return [b"entry %d" % n for n in range(size)]


def over(entries: list[bytes]) -> Checkpoint:
    return Checkpoint(origin="example.org/log", size=len(entries), root=root_of(map(leaf_hash, entries)))


def served(entries: list[bytes], checkpoint: Checkpoint, seen: Checkpoint | None = None) -> list[bytes]:
    def read(tile: Tile) -> bytes:
        return bundle_of(entries[tile.place * WIDTH :][: tile.width])

    return [entry for some in entries_of(checkpoint, read, seen) for entry in some]


@given(st.integers(0, 700), st.integers(0, 700))
@settings(max_examples=30)
def test_every_entry_of_a_log_that_grew_is_read_once_in_order(size: int, before: int) -> None:
    entries = a_log(size)
    assert served(entries, over(entries), over(entries[: min(before, size)])) == entries


@given(st.integers(1, 600), st.data())
@settings(max_examples=30)
def test_an_entry_that_was_exchanged_is_noticed(size: int, data: st.DataObject) -> None:
    entries = a_log(size)
    other = list(entries)
    other[data.draw(st.integers(0, size - 1))] = b"another"
    with pytest.raises(IntegrityError, match="not those that the checkpoint signs"):
        served(other, over(entries))
    with pytest.raises(IntegrityError, match="history was rewritten"):
        served(other, over(other), over(entries))


def test_a_log_that_shrank_is_refused_before_anything_is_read() -> None:
    with pytest.raises(IntegrityError, match="shorter than it was"):
        served(a_log(3), over(a_log(3)), over(a_log(4)))


def test_a_bundle_that_is_cut_is_refused() -> None:
    entries = a_log(300)
    with pytest.raises(IntegrityError, match="whole entries"):
        served(entries[:-1], over(entries))


def test_a_log_that_says_it_is_endless_costs_its_reader_nothing() -> None:
    endless = Checkpoint(origin="example.org/log", size=10**18, root=b"r" * 32)
    with pytest.raises(IntegrityError, match="whole entries"):
        served([], endless)
