"""Small files become few: no row changes, nothing is written over and over, and no reader loses a file."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.store.compaction import FEWER, SIZES, due, tidy

MB = 2**20


@pytest.fixture
def many(tmp_path: Path) -> DeltaTable:
    """A table of twenty files with two rows each."""
    for n in range(20):
        write_deltalake(tmp_path, pa.table({"n": [n, n], "text": [f"words {n}", None]}), mode="append")
    return DeltaTable(tmp_path)


def rows(delta: DeltaTable) -> list[tuple[int, str]]:
    """Give the rows in an order of their own."""
    return sorted((row["n"], str(row["text"])) for row in delta.to_pyarrow_table().to_pylist())


def on_disk(delta: DeltaTable) -> int:
    """Count the data files that are there."""
    return len(list(Path(delta.table_uri.removeprefix("file://")).glob("*.parquet")))


def test_many_small_files_become_one_with_the_same_rows(many: DeltaTable) -> None:
    before = rows(many)
    assert tidy(many)
    assert len(many.file_uris()) == 1
    assert rows(many) == rows(DeltaTable(many.table_uri)) == before
    assert not tidy(many)


def test_few_small_files_and_large_ones_stay_as_they_are() -> None:
    assert due([]) is None
    assert due([1000] * FEWER) is None
    assert due([1000] * (FEWER + 1)) == SIZES[0]
    assert due([64 * MB] * 1000) is None


def test_files_are_put_together_with_their_like() -> None:
    assert due([SIZES[0] // 20] * (FEWER + 2) + [SIZES[2] - 1] * 3) == SIZES[0]
    assert due([SIZES[1] // 20] * (FEWER + 1) + [SIZES[2] - 1] * 3) == SIZES[1]
    assert due([SIZES[1] - 1] * (FEWER + 1)) == SIZES[2]


@settings(deadline=None)
@given(st.lists(st.integers(1, 100 * MB), max_size=60))
def test_files_are_put_together_only_where_many_fewer_come_of_it(sizes: list[int]) -> None:
    limit = due(sizes)
    if limit is not None:
        small = [size for size in sizes if size < limit]
        assert len(small) - sum(small) / limit >= FEWER


@settings(deadline=None, max_examples=30)
@given(st.integers(10_000, 4 * MB))
def test_a_long_stream_leaves_few_files_and_writes_no_row_over_and_over(size: int) -> None:
    files: list[int] = []
    written = 0
    for _ in range(1000):
        files.append(size)
        limit = due(files)
        if limit is not None:
            bins = packed([file for file in files if file < limit], limit)
            files = [file for file in files if file >= limit] + [sum(each) for each in bins]
            written += sum(sum(each) for each in bins if len(each) > 1)
    assert len([file for file in files if file < SIZES[-1] / 2]) < 4 * FEWER
    assert written < 6 * 1000 * size


def packed(files: list[int], limit: int) -> list[list[int]]:
    """Put files together as the Delta library does: each where there is room first, the largest first."""
    bins: list[list[int]] = []
    for one in sorted(files, reverse=True):
        room = next((each for each in bins if sum(each) + one <= limit), None)
        if room is None:
            bins.append([one])
        else:
            room.append(one)
    return bins


def test_a_reader_of_an_earlier_version_still_finds_its_files(many: DeltaTable) -> None:
    earlier = DeltaTable(many.table_uri)
    before = rows(earlier)
    assert tidy(many)
    assert rows(earlier) == before
    assert rows(DeltaTable(many.table_uri, version=earlier.version())) == before


def test_files_that_nobody_reads_any_more_are_deleted(many: DeltaTable) -> None:
    before = rows(many)
    assert tidy(many)
    assert on_disk(many) == 21
    for n in range(20):
        write_deltalake(many, pa.table({"n": [n, n], "text": [f"words {n}", None]}), mode="append")
    many.update_incremental()
    assert tidy(many, kept=timedelta(0))
    assert on_disk(many) == len(many.file_uris()) == 1
    assert rows(many) == sorted(before + before)
