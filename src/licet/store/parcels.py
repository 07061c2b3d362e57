"""Write a shared table's files: one a bucket, sorted as they come, without statistics, on disk before they are named.

Parquet keeps the least and greatest value of every column unless told not to: whole post texts and ids.
"""

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

GROUP_BYTES = 32 * 1024 * 1024
"""Bytes of Arrow data gathered before they are written as a row group: bounds memory however large a bucket is."""

_REPEATING = frozenset({"author_id", "actor_id", "post_author_id", "lang"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One file just written: its name in the table's folder, bytes and rows."""

    name: str
    size: int
    rows: int


def file_name(bucket: int) -> str:
    """Give a fresh name for a file of a bucket; it tells nothing else."""
    return f"bucket-{bucket:05d}-{uuid.uuid4().hex}.parquet"


def write_parcels(batches: Iterable[pa.RecordBatch], folder: Path, schema: pa.Schema) -> Iterator[Parcel]:
    """Write batches, whose rows come sorted by their INTEGER column `bucket`, to one file a bucket."""
    folder.mkdir(parents=True, exist_ok=True)
    current: _File | None = None
    try:
        for batch in batches:
            for bucket, rows in _by_bucket(batch):
                if current is None or current.bucket != bucket:
                    if current is not None:
                        yield current.finish()
                    current = _File(bucket, folder, schema)
                current.add(rows)
        if current is not None:
            yield current.finish()
            current = None
    finally:
        if current is not None:
            current.abandon()
    _sync(folder)


def _by_bucket(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.Table]]:
    """Cut a batch where its bucket changes."""
    if not batch.num_rows:
        return
    table = pa.Table.from_batches([batch])
    runs = pc.run_end_encode(batch.column("bucket"))
    start = 0
    for bucket, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield bucket, table.slice(start, end - start)
        start = end


class _File:
    """A file being written: rows gather until they make a row group."""

    def __init__(self, bucket: int, folder: Path, schema: pa.Schema) -> None:
        self.bucket = bucket
        self.path = folder / file_name(bucket)
        self.schema = schema
        self.rows = 0
        self.gathered: list[pa.Table] = []
        self.bytes = 0
        self.handle = self.path.open("wb")
        self.writer = pq.ParquetWriter(
            self.handle,
            schema,
            compression="zstd",
            write_statistics=False,
            use_dictionary=[name for name in schema.names if name in _REPEATING],
            store_schema=False,
        )

    def add(self, rows: pa.Table) -> None:
        """Take rows of this file's bucket."""
        self.gathered.append(rows.select(self.schema.names).cast(self.schema))
        self.rows += rows.num_rows
        self.bytes += rows.nbytes
        if self.bytes >= GROUP_BYTES:
            self._flush()

    def finish(self) -> Parcel:
        """Close the file once its bytes are on disk."""
        if self.gathered:
            self._flush()
        self.writer.close()
        self.handle.flush()
        os.fsync(self.handle.fileno())
        size = self.handle.tell()
        self.handle.close()
        return Parcel(name=self.path.name, size=size, rows=self.rows)

    def abandon(self) -> None:
        """Take the unfinished file away."""
        self.handle.close()
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        table = pa.concat_tables(self.gathered)
        self.writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self.gathered, self.bytes = [], 0


def _sync(folder: Path) -> None:
    """Make the names of the folder's files durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
