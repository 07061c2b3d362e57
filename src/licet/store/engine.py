"""Engines run one SQL text over Arrow tables and the lake's Parquet files; this one is DuckDB, on this machine.

`store.spark` has the other. Both hand their rows to `store.parcels`, so a shared file is the same whoever made it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from licet.store.parcels import Parcel, write_parcels

BATCH = 65_536
"""Rows taken from a running query at a time."""

Source: TypeAlias = pa.Table | DeltaTable
"""What a query may read by name: a table in memory, or a pinned version of a Delta table."""


class Run(Protocol):
    """One session of an engine; queries are written in DuckDB's dialect, within the core that Spark shares."""

    def define(self, name: str, query: str) -> None:
        """Keep a query's rows under a name for later queries of this session."""

    def fetch(self, query: str) -> list[tuple[object, ...]]:
        """Give the few rows of a query."""

    def write(self, query: str, order: Sequence[str], folder: Path, schema: pa.Schema) -> list[Parcel]:
        """Write a query's rows, which have an INTEGER column `bucket`, to one or more fresh files a bucket.

        Rows are sorted by `order` within a file, have the columns of `schema`, and are on disk on return.
        """


class SqlEngine(Protocol):
    """What runs SQL for a build or a recall."""

    def run(self, sources: Mapping[str, Source]) -> AbstractContextManager[Run]:
        """Open a session in which each source is a table under its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngine:
    """Where and within what bounds SQL runs on this machine."""

    scratch: Path
    memory_limit: str = "1GB"
    threads: int = 2

    @contextlib.contextmanager
    def session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a session that spills to `scratch` beyond its memory limit; times are UTC."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            config={
                "memory_limit": self.memory_limit,
                "threads": self.threads,
                "temp_directory": str(self.scratch),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    @contextlib.contextmanager
    def run(self, sources: Mapping[str, Source]) -> Iterator[Run]:
        """Open a session in which each source is a table under its name."""
        with self.session() as connection:
            for name, source in sources.items():
                _name(connection, name, source)
            yield LocalRun(connection=connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """One DuckDB session over named sources."""

    connection: duckdb.DuckDBPyConnection

    def define(self, name: str, query: str) -> None:
        """Keep a query's rows in a temporary table, which spills like everything else."""
        self.connection.execute(f"CREATE TEMP TABLE {name} AS {query}")

    def fetch(self, query: str) -> list[tuple[object, ...]]:
        """Give the few rows of a query."""
        return self.connection.execute(query).fetchall()

    def write(self, query: str, order: Sequence[str], folder: Path, schema: pa.Schema) -> list[Parcel]:
        """Sort in DuckDB, and stream the sorted rows to one file a bucket."""
        keys = ", ".join(("bucket", *order))
        reader = self.connection.sql(f"SELECT * FROM ({query}) ORDER BY {keys}").to_arrow_reader(BATCH)
        return list(write_parcels(reader, folder, schema))


def _name(connection: duckdb.DuckDBPyConnection, name: str, source: Source) -> None:
    if isinstance(source, pa.Table):
        connection.register(name, source)
    elif urlsplit(source.table_uri).scheme in {"", "file"}:
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {parquet(source.file_uris())}")
    else:
        connection.register(name, source.to_pyarrow_dataset())


def parquet(paths: Sequence[str], *, filename: bool = False) -> str:
    """Give the SQL that reads Parquet files by their paths."""
    listed = ", ".join(quoted(path) for path in paths)
    extra = ", filename=true" if filename else ""
    return f"read_parquet([{listed}]{extra}, union_by_name=false)"


def quoted(value: str) -> str:
    """Give a value as an SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def register(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> None:
    """Make Arrow tables visible to SQL under their names."""
    for name, table in tables.items():
        connection.register(name, table)
