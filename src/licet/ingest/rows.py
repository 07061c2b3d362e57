"""Read a file of rows one at a time: CSV, JSON Lines (both also gzipped) and Parquet, in bounded memory."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from licet.ingest.instants import after_epoch
from licet.ingest.mapping import FORMATS, Mapping
from licet.model.errors import InputError
from licet.model.records import Skipped

Row = dict[str, Any]
BATCH = 8_192
"""Rows of a Parquet file held at once."""


def read_rows(path: Path, mapping: Mapping) -> Iterator[tuple[str, Row] | Skipped]:
    """Give each row with its place (`file.csv:123`), or Skipped where there is no row to be had.

    Raises:
        InputError: the file cannot be opened, is damaged, or its format is not known.
    """
    read = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[_format(path, mapping)]
    try:
        yield from read(path, mapping)
    except (OSError, EOFError, UnicodeError, zlib.error, pa.ArrowException) as error:
        kind = type(error).__name__
        raise InputError(f"{path.name}: cannot be read to its end ({kind})", "check the path and the file") from error


def _format(path: Path, mapping: Mapping) -> str:
    if mapping.format:
        return mapping.format
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    found = {"ndjson": "jsonl", "pq": "parquet"}.get(suffix[1:].lower(), suffix[1:].lower())
    if found not in FORMATS:
        raise InputError(f"{path.name}: the format cannot be told from the name", "write format under [records]")
    return found


def _open(path: Path, mapping: Mapping) -> TextIO:
    # Bytes that are no characters become lone surrogates: one bad byte costs one row, not the file.
    raw = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - the wrapper closes it
    return io.TextIOWrapper(raw, encoding=mapping.encoding, errors="surrogateescape", newline="")


def _csv(path: Path, mapping: Mapping) -> Iterator[tuple[str, Row] | Skipped]:
    with _open(path, mapping) as file:
        reader = csv.reader(file, delimiter=mapping.delimiter)
        header: list[str] | None = None
        while True:
            where = f"{path.name}:{reader.line_num + 1}"
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error:
                # A quotation mark left open swallows lines until the field limit; reading goes on after it.
                yield Skipped(where=where, reason="malformed_row")
                continue
            if header is None:
                header = [name.strip() for name in fields]
            elif len(fields) == len(header):
                yield where, dict(zip(header, fields, strict=True))
            elif fields:
                yield Skipped(where=where, reason="malformed_row")


def _jsonl(path: Path, mapping: Mapping) -> Iterator[tuple[str, Row] | Skipped]:
    with _open(path, mapping) as file:
        for number, line in enumerate(file, start=1):
            where = f"{path.name}:{number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield (where, row) if isinstance(row, dict) else Skipped(where=where, reason="malformed_row")


def _parquet(path: Path, mapping: Mapping) -> Iterator[tuple[str, Row] | Skipped]:
    number = 0
    with pq.ParquetFile(path) as file:
        tops = {column.split(".", maxsplit=1)[0] for column in mapping.columns.values()} | set(mapping.columns.values())
        wanted = [name for name in file.schema_arrow.names if name in tops]
        for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
            columns = {name: _values(batch.column(name)) for name in batch.schema.names}
            for offset in range(batch.num_rows):
                number += 1
                yield f"{path.name}:{number}", {name: values[offset] for name, values in columns.items()}


def _values(array: Any) -> list[Any]:  # noqa: ANN401 - pyarrow ships no types
    """Give the values of an Arrow array; times come as aware UTC datetimes, None where the calendar ends."""
    if not pa.types.is_timestamp(array.type):
        return list(array.to_pylist())
    per_unit = {"s": 1_000_000, "ms": 1_000, "us": 1}
    if array.type.unit == "ns":
        array, unit = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False), "us"
    else:
        unit = array.type.unit
    return [_instant(value, per_unit[unit]) for value in array.cast(pa.int64()).to_pylist()]


def _instant(value: int | None, factor: int) -> datetime | None:
    return None if value is None else after_epoch(value * factor)
