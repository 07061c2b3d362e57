"""Numbers that tell which files may hold a record: never a record missed, and few files looked at in vain."""

import os
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.store.holdings import Holdings, folder_of, number, share_one

NUMBERS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 40), max_size=200).map(sorted)
ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


class Counted(Sequence[int]):
    """A list that counts how often it is looked at."""

    def __init__(self, numbers: list[int]) -> None:
        """Begin with no look."""
        self.numbers, self.looks = numbers, 0

    def __len__(self) -> int:
        """Give its length, which costs nothing."""
        return len(self.numbers)

    def __getitem__(self, at: int | slice) -> int | list[int]:  # type: ignore[override] # as a list does
        """Look at one number, or at several."""
        self.looks += len(self.numbers[at]) if isinstance(at, slice) else 1
        return self.numbers[at]


def stream(numbers: list[int]) -> pa.RecordBatchReader:
    """Give numbers in several batches, the way DuckDB does."""
    table = pa.table({"number": pa.array(numbers, pa.uint64())})
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=3))


def key(at: int) -> str:
    """Give the key of a record made so many microseconds after the beginning of time, as AT Protocol has it."""
    return "".join(ALPHABET[(at << 10) >> 5 * place & 31] for place in range(12, -1, -1))


def numbered(names: list[str | None]) -> list[int]:
    """Number some posts by their ids."""
    with duckdb.connect() as session:
        session.register("batch", pa.table({"post_id": pa.array(names, pa.string())}))
        return [row[0] for row in session.sql(f"SELECT {number(['post_id'], 'post_id')} FROM batch").fetchall()]


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_two_lists_share_a_number_exactly_when_one_of_the_one_is_in_the_other(one: list[int], other: list[int]) -> None:
    assert share_one(one, other) == bool(set(one) & set(other))


def test_a_long_list_is_looked_at_only_near_what_is_sought() -> None:
    long = Counted([*range(2_000_000), *range(2**63, 2**63 + 2_000_000)])
    assert not share_one(long, list(range(2**62, 2**62 + 2000)))
    assert long.looks < 1000


@settings(deadline=None)
@given(st.lists(st.text(), unique=True, min_size=1), st.data())
def test_a_file_that_holds_a_record_is_always_named(names: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1))
    assert set(numbered(wanted)) <= set(numbered(names))


def test_a_record_without_a_name_has_a_number_too() -> None:
    with duckdb.connect() as session:
        expression = number(["actor_id", "interaction_id"], "coalesce(interaction_id, actor_id)")
        rows = session.sql(f"SELECT {expression} FROM (SELECT 'x:1' AS actor_id, NULL::VARCHAR AS interaction_id)")
        assert isinstance(rows.fetchall()[0][0], int)


def test_records_of_the_same_seconds_have_numbers_that_lie_together() -> None:
    begin = 1_750_000_000_000_000
    early = numbered([f"at://did:plc:{n}/app.bsky.feed.like/{key(begin + 1000 * n)}" for n in range(2000)])
    late = numbered([f"at://did:plc:{n}/app.bsky.feed.like/{key(begin + 86_400_000_000 + n)}" for n in range(2000)])
    assert len({n >> 40 for n in early}) <= 2
    assert {n >> 40 for n in early}.isdisjoint(n >> 40 for n in late)
    assert len(set(early + late)) == 4000  # DuckDB's own hash gives 3,997


def test_only_files_that_may_hold_a_number_are_named(tmp_path: Path) -> None:
    holdings = Holdings(folder=tmp_path / "numbers")
    assert holdings.unknown(["a", "b"]) == ["a", "b"]
    holdings.learn("a", stream([1, 2, 3, 4, 2**64 - 1]))
    holdings.learn("b", stream([5, 6]))
    holdings.learn("empty", stream([]))
    assert holdings.unknown(["a", "b", "empty", "c"]) == ["c"]
    assert holdings.may_hold(["a", "b", "empty"], [4]) == ["a"]
    assert holdings.may_hold(["a", "b", "empty"], [6, 2**64 - 1]) == ["a", "b"]
    assert holdings.may_hold(["a", "b", "empty"], [7]) == []


def test_a_file_of_which_nothing_is_known_may_hold_anything(tmp_path: Path) -> None:
    holdings = Holdings(folder=tmp_path / "numbers")
    holdings.learn("a", stream([1]))
    next((tmp_path / "numbers").iterdir()).write_bytes(b"of another version")
    assert holdings.may_hold(["a", "b"], [9]) == ["a", "b"]


def test_numbers_of_files_that_are_gone_go_too(tmp_path: Path) -> None:
    holdings = Holdings(folder=tmp_path / "numbers")
    holdings.forget_others([])
    for name in "abc":
        holdings.learn(name, stream([1]))
    half, old = tmp_path / "numbers" / "1-1.new", tmp_path / "numbers" / "1-2.new"
    for path in (half, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    holdings.forget_others(["b"])
    assert holdings.unknown(["a", "b", "c"]) == ["a", "c"]
    assert (half.exists(), old.exists()) == (True, False)


def test_a_full_disk_leaves_no_half_of_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holdings = Holdings(folder=tmp_path / "numbers")

    def full(_: int) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            holdings.learn("a", stream([1, 2]))
    assert holdings.unknown(["a"]) == ["a"]
    holdings.learn("a", stream([1, 2]))
    assert holdings.may_hold(["a"], [3]) == []


def test_tables_at_two_places_have_folders_of_their_own(tmp_path: Path) -> None:
    assert folder_of(tmp_path, "file:///a") != folder_of(tmp_path, "file:///b")
    assert folder_of(tmp_path, "file:///a") == folder_of(tmp_path, "file:///a")
