"""Files of the keys of rows that left a shared table: all that a recipient needs in order to follow, and no content."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
from pyarrow import parquet as pq

from licet.model.recalls import KeyFile
from licet.store.shared import KEYS_FOLDER, key_file_name

CHANGE = "_change_type"
"""The column by which Delta readers tell what happened to a row."""
REASON = "_reason"


class KeyWriter:
    """Writes one file of keys, if there are any; it is on the disk when the writer is left."""

    def __init__(self, folder: Path, keys: Sequence[str], version: int) -> None:
        """Write to a table's folder the named columns of rows that leave with a version."""
        self.file: KeyFile | None = None
        self._keys = list(keys)
        self._path = folder / KEYS_FOLDER / key_file_name(version)
        self._schema = pa.schema([(name, pa.string()) for name in (*keys, CHANGE, REASON)])
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def add(self, rows: pa.Table, reasons: pa.Array) -> None:
        """Note rows that leave, each with why."""
        if not rows.num_rows:
            return
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            repeating = [name for name in self._schema.names if name != "post_id"]
            self._writer = pq.ParquetWriter(
                self._path, self._schema, compression="zstd", write_statistics=False, use_dictionary=repeating
            )
        deleted = pa.repeat(pa.scalar("delete"), rows.num_rows)
        columns = [*(rows[name] for name in self._keys), deleted, reasons]
        self._writer.write_table(pa.table(columns, schema=self._schema))
        self._rows += rows.num_rows

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file and bring it to the disk; after an error nothing is left."""
        if self._writer is None:
            return
        self._writer.close()
        if error is not None:
            self._path.unlink(missing_ok=True)
            return
        for path in (self._path, self._path.parent):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        self.file = KeyFile(name=self._path.name, size=self._path.stat().st_size, rows=self._rows)
