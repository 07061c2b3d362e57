"""Statements: what each member earned by one license in one month, as a Parquet file that never changes.

A million members a month are too many rows for facts, and a file can be sealed: its digest stands in the ledger.
Members are named by their pseudonym for the license, so a statement by itself names nobody.
"""

import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from licet.model.errors import IntegrityError
from licet.model.money import Month
from licet.store.shared import SharedTables

FOLDER: Final = "ledger"
"""Where, in a license's folder, its statements and what its files were found to hold are kept."""
STATEMENT: Final = pa.schema([("pseudonym", pa.string()), ("rows", pa.int64()), ("micros", pa.int64())])
"""Sorted by pseudonym, each once."""
GROUP_ROWS: Final = 10_000
"""Rows of a row group: what is read to find one member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sealed file: its name in the license's ledger folder, its SHA-256, how many members, and their sum."""

    file: str
    sha256: str
    members: int
    micros: int


def ledger_folder(shared: SharedTables, license_id: str) -> Path:
    """Give the folder of a license's ledger files."""
    return shared.root / license_id / FOLDER


def statement_path(shared: SharedTables, license_id: str, file: str) -> Path:
    """Give where a statement lies."""
    return ledger_folder(shared, license_id) / file


def write_statement(shared: SharedTables, license_id: str, month: Month, rows: pa.RecordBatchReader) -> Statement:
    """Write a statement (schema `STATEMENT`, sorted) under a fresh name; it is on the disk on return."""
    path = statement_path(shared, license_id, f"earned-{month}-{uuid.uuid4().hex}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    members = micros = 0
    with pq.ParquetWriter(
        path, STATEMENT, compression="zstd", use_dictionary=False, write_statistics=["pseudonym"]
    ) as writer:
        for batch in rows:
            table = pa.Table.from_batches([batch])
            writer.write_table(table, row_group_size=GROUP_ROWS)
            members += table.num_rows
            micros += pc.sum(table["micros"]).as_py() or 0
    sync(path)
    return Statement(file=path.name, sha256=_digest(path), members=members, micros=micros)


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_whole(shared: SharedTables, license_id: str, statement: Statement) -> bool:
    """Tell whether a statement's file is as it was sealed."""
    path = statement_path(shared, license_id, statement.file)
    return path.is_file() and _digest(path) == statement.sha256


def line_of(shared: SharedTables, license_id: str, file: str, pseudonym: str) -> tuple[int, int]:
    """Give a member's rows and micro-units in a statement; none of either where they are not in it.

    Raises:
        IntegrityError: the statement is lost.
    """
    path = statement_path(shared, license_id, file)
    try:
        found = pq.read_table(path, filters=[("pseudonym", "=", pseudonym)], memory_map=True)
    except FileNotFoundError as error:
        raise IntegrityError(f"a statement of license `{license_id}` is lost", "restore the shared folder") from error
    if not found.num_rows:
        return 0, 0
    return int(found["rows"][0].as_py()), int(found["micros"][0].as_py())


def sync(path: Path) -> None:
    """Bring a file and its name to the disk."""
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
