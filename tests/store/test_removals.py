"""Removals are gathered from the files of keys: all of them, always the same, in few files, whole after any crash."""

import concurrent.futures
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import IntegrityError
from licet.model.licenses import KEYS
from licet.model.records import Table
from licet.model.schemas import REMOVALS
from licet.store import removals as made
from licet.store.history import Change
from licet.store.keys import KeyWriter
from licet.store.removals import removals, removals_path, runs
from licet.store.shared import KEYS_FOLDER, SharedTables

AT = datetime(2025, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
NAME = "acme-1"


@pytest.fixture
def shared(tmp_path: Path) -> SharedTables:
    return SharedTables(root=tmp_path)


def left(shared: SharedTables, version: int, rows: int = 2, table: Table = Table.POSTS, parts: int = 1) -> Change:
    """Write the files of keys that left with a version."""
    files = []
    for part in range(parts):
        with KeyWriter(shared.folder(NAME, table), KEYS[table], version) as keys:
            names = {name: [f"{name} {version}.{part}.{n}" for n in range(rows)] for name in KEYS[table]}
            keys.add(pa.table(names), pa.repeat(pa.scalar("deleted"), rows))
        assert keys.file is not None
        files.append(keys.file)
    return Change(table=str(table), version=version, at=AT + timedelta(minutes=version), keys=tuple(files))


def read(shared: SharedTables, changes: list[Change]) -> list[dict]:
    found = []
    for file in removals(shared, NAME, changes):
        path = removals_path(shared, NAME, file.name)
        table = pq.ParquetFile(path).read()
        assert (table.schema, table.num_rows, path.stat().st_size) == (REMOVALS, file.rows, file.size)
        found += table.to_pylist()
    return found


@given(st.integers(0, 5000), st.integers(2, 20))
def test_runs_cover_everything_once_in_few_pieces(count, gathered) -> None:
    found = list(runs(count, gathered))
    assert [n for first, end in found for n in range(first, end)] == list(range(count))
    lengths = [end - first for first, end in found]
    assert lengths == sorted(lengths, reverse=True)
    assert all(lengths.count(length) < gathered for length in lengths)
    assert all(first % (end - first) == 0 for first, end in found)


def test_a_run_that_is_full_never_changes_again() -> None:
    """So what was gathered once is read again as it is, and each key is copied a few times at most."""
    full = [set(runs(count)) for count in range(600)]
    for count in (16, 256):
        assert all(
            (0, count) in found or any(end > count for first, end in found if not first) for found in full[count:]
        )


def test_every_key_of_every_table_is_listed(shared) -> None:
    changes = [left(shared, 1, parts=3), left(shared, 1, table=Table.LIKES), left(shared, 2, rows=1)]
    found = read(shared, changes)
    assert [(row["record_table"], row["version"]) for row in found] == [("posts", 1)] * 6 + [("likes", 1)] * 2 + [
        ("posts", 2)
    ]
    assert found[6] == {
        "record_table": "likes",
        "post_id": "post_id 1.0.0",
        "author_id": None,
        "actor_id": "actor_id 1.0.0",
        "post_author_id": "post_author_id 1.0.0",
        "reason": "deleted",
        "version": 1,
        "removed_at": AT + timedelta(minutes=1),
    }
    assert found[-1]["author_id"] == "author_id 2.0.0"
    assert found[-1]["actor_id"] is None


def test_nothing_left_is_no_file(shared) -> None:
    assert removals(shared, NAME, []) == ()


def test_what_is_gathered_says_the_same_as_what_it_was_gathered_from(shared, monkeypatch) -> None:
    changes = [left(shared, version, rows=version % 3 + 1) for version in range(40)]
    whole = [row for change in changes for row in read(shared, [change])]
    assert read(shared, changes) == whole
    assert len(removals(shared, NAME, changes)) == 2 + 8
    monkeypatch.setattr(made, "GROUP_ROWS", 3)
    for path in removals_path(shared, NAME, "").iterdir():
        path.unlink()
    assert read(shared, changes) == whole


def test_the_same_keys_give_the_same_bytes(shared) -> None:
    changes = [left(shared, version) for version in range(5)]
    first = {file.name: removals_path(shared, NAME, file.name).read_bytes() for file in removals(shared, NAME, changes)}
    for name in first:
        removals_path(shared, NAME, name).unlink()
    again = {file.name: removals_path(shared, NAME, file.name).read_bytes() for file in removals(shared, NAME, changes)}
    assert again == first


def test_a_file_is_made_once(shared) -> None:
    changes = [left(shared, 1, rows=1000)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: removals(shared, NAME, changes), range(16)))
    (files,) = found
    marks = {removals_path(shared, NAME, file.name).stat().st_mtime_ns for file in files}
    removals(shared, NAME, changes)
    assert marks == {removals_path(shared, NAME, file.name).stat().st_mtime_ns for file in files}
    assert len(list(removals_path(shared, NAME, "").iterdir())) == 1


def test_no_statistics_tell_a_key_beforehand(shared) -> None:
    (file,) = removals(shared, NAME, [left(shared, 1)])
    metadata = pq.read_metadata(removals_path(shared, NAME, file.name))
    group = metadata.row_group(0)
    assert {group.column(n).statistics for n in range(group.num_columns)} == {None}


def test_a_lost_file_of_keys_is_noticed_and_leaves_nothing_behind(shared) -> None:
    changes = [left(shared, 1), left(shared, 2)]
    (shared.folder(NAME, Table.POSTS) / KEYS_FOLDER / changes[1].keys[0].name).unlink()
    removals(shared, NAME, changes[:1])
    with pytest.raises(IntegrityError, match="lost"):
        removals(shared, NAME, changes)
    assert len(list(removals_path(shared, NAME, "").iterdir())) == 1


KILLED = """
import os, sys
from pathlib import Path
from test_removals import left, made, removals
from licet.store.shared import SharedTables
steps = iter(range(int(sys.argv[2])))
real = made._sync
def sync(path):
    if next(steps, None) is None:
        os.kill(os.getpid(), 9)
    real(path)
made._sync = sync
shared = SharedTables(root=Path(sys.argv[1]))
removals(shared, "acme-1", [left(shared, version) for version in range(3)])
"""


@pytest.mark.parametrize("steps", range(6))
def test_whoever_is_killed_leaves_whole_files_only(shared, steps) -> None:
    """Killed before or after each time that something reaches the disk."""
    path = {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", KILLED, shared.root, str(steps)], env=path, check=False)
    assert done.returncode == (-9 if steps < 6 else 0)
    found = list(removals_path(shared, NAME, "").glob("removals-*"))
    assert len(found) == (steps + 1) // 2
    assert all(pq.read_table(each).num_rows == 2 for each in found)
    fresh = [left(shared, version) for version in range(3)]
    assert len(read(shared, fresh)) == 6
