"""The removals of a license as Parquet files: the keys that left its tables, gathered from the files of keys.

Derived and never the truth: a file is named by what it is made of, made once when it is first asked for, and made
again if it is lost. The oldest are gathered in large files, so that however many there were, few files hold them.
"""

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import Schema
from pyarrow import parquet as pq

from licet.model.errors import IntegrityError
from licet.model.licenses import KEYS
from licet.model.records import Table
from licet.model.schemas import REMOVALS
from licet.store.history import Change
from licet.store.keys import REASON
from licet.store.shared import KEYS_FOLDER, DataFile, SharedTables

FOLDER: Final = "removals"
"""Where, in a license's folder, its removals are kept."""
GATHERED: Final = 16
"""So many files of one size are gathered in one of the next."""
GROUP_ROWS: Final = 100_000
"""Rows that are held in memory, and make a row group."""
SCHEMA_STRING: Final = Schema.from_arrow(REMOVALS).to_json()

_making = threading.Lock()


def runs(count: int, gathered: int = GATHERED) -> Iterator[tuple[int, int]]:
    """Cut [0, count) into runs whose lengths are powers of `gathered`, the longest first."""
    start, size = 0, 1
    while size * gathered <= count:
        size *= gathered
    while start < count:
        while start + size > count:
            size //= gathered
        yield start, start + size
        start += size


def removals_path(shared: SharedTables, license_id: str, name: str) -> Path:
    """Give where a file of a license's removals lies."""
    return shared.root / license_id / FOLDER / name


def removals(shared: SharedTables, license_id: str, changes: Sequence[Change]) -> tuple[DataFile, ...]:
    """Give the files that hold the keys of all these changes, oldest first; those that are not there are made.

    Raises:
        IntegrityError: a file of keys is lost.
    """
    return tuple(_file(shared, license_id, changes[first:end]) for first, end in runs(len(changes)))


def _file(shared: SharedTables, license_id: str, changes: Sequence[Change]) -> DataFile:
    path = removals_path(shared, license_id, _name(changes))
    if not path.exists():
        with _making:  # whoever else asks for it meanwhile waits, and finds it
            if not path.exists():
                _make(path, _rows(shared, license_id, changes))
    rows = sum(file.rows for change in changes for file in change.keys)
    return DataFile(name=path.name, size=path.stat().st_size, rows=rows)


def _make(path: Path, rows: Iterator[pa.Table]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with pq.ParquetWriter(partial, REMOVALS, compression="zstd", write_statistics=False) as writer:
            for group in _in_groups(rows):
                writer.write_table(group, row_group_size=group.num_rows)
        _sync(partial)
        partial.rename(path)  # over the same rows, if another process was as quick
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _rows(shared: SharedTables, license_id: str, changes: Sequence[Change]) -> Iterator[pa.Table]:
    for change in changes:
        table = Table(change.table)
        for file in change.keys:
            path = shared.folder(license_id, table) / KEYS_FOLDER / file.name
            try:
                parquet = pq.ParquetFile(path)
            except FileNotFoundError as error:
                raise IntegrityError("a file of removed keys is lost", "restore the shared folder") from error
            with parquet:
                for batch in parquet.iter_batches(GROUP_ROWS):
                    yield _listed(batch, change, KEYS[table])


def _name(changes: Sequence[Change]) -> str:
    made_of = [[each.table, each.version, each.at.isoformat(), [file.name for file in each.keys]] for each in changes]
    return f"removals-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]}.parquet"


def _listed(keys: pa.RecordBatch, change: Change, named: Sequence[str]) -> pa.Table:
    same = {"record_table": change.table, "version": change.version, "removed_at": change.at}
    columns = []
    for each in REMOVALS:
        if each.name in named:
            columns.append(keys[each.name])
        elif each.name == "reason":
            columns.append(keys[REASON])
        else:
            columns.append(pa.repeat(pa.scalar(same.get(each.name), each.type), keys.num_rows))
    return pa.table(columns, schema=REMOVALS)


def _in_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
