"""Engines run one SQL text over Arrow tables and the lake's Parquet files; this one is DuckDB, on this machine.

`store.spark` has the other. Both hand their rows to `store.parcels`, so a shared file is the same whoever made it.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, TypeGuard, TypeVar
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from licet.store.parcels import Parcel, write_parcels
from licet.store.streamed import Streamed

BATCH = 65_536
"""Rows taken from a running query at a time."""

Part = TypeVar("Part")
Done = TypeVar("Done")

Source: TypeAlias = pa.Table | DeltaTable | Path
"""What a query may read by name: a table in memory, a pinned version of a Delta table, or one Parquet file."""


class Run(Protocol):
    """One session of an engine; queries are written in DuckDB's dialect, within the core that Spark shares."""

    def define(self, name: str, query: str) -> None:
        """Keep a query's rows under a name for later queries of this session."""

    def fetch(self, query: str) -> list[tuple[object, ...]]:
        """Give the few rows of a query."""

    def write(self, query: str, order: Sequence[str], folder: Path, schema: pa.Schema) -> list[Parcel]:
        """Write a query's rows, which have an INTEGER column `bucket`, to one or more fresh files a bucket.

        Rows are sorted by `order`, along which buckets ascend; they have the columns of `schema`, and are on disk on
        return.
        """


class SqlEngine(Protocol):
    """What runs SQL for a build or a recall."""

    def run(self, sources: Mapping[str, Source]) -> AbstractContextManager[Run]:
        """Open a session in which each source is a table under its name."""

    def spread(self, work: Callable[[Part], Done], parts: Sequence[Part]) -> list[Done]:
        """Do the same work on every part wherever the engine's workers are; give what came of each, in order.

        Work and parts travel to other processes, so they are plain values; the shared folder is seen from there.
        """


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
    def folder(self, name: str) -> Iterator[Path]:
        """Give an empty folder that only this user reads, and remove it at the end; one left by a kill goes first."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def run(self, sources: Mapping[str, Source]) -> Iterator[Run]:
        """Open a session in which each source is a table under its name."""
        with self.session() as connection:
            for name, source in sources.items():
                _name(connection, name, source)
            yield LocalRun(connection=connection, far={n: s for n, s in sources.items() if _is_far(s)})

    def spread(self, work: Callable[[Part], Done], parts: Sequence[Part]) -> list[Done]:
        """Do the same work on every part, in threads of this process; a single part needs none."""
        if len(parts) < 2:  # noqa: PLR2004 # a thread is worth its start from the second part on
            return [work(part) for part in parts]
        # One thread more than cores: while one waits for the disk the others compute.
        with ThreadPoolExecutor(self.threads + 1) as pool:
            return list(pool.map(work, parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """One DuckDB session over named sources."""

    connection: duckdb.DuckDBPyConnection
    far: Mapping[str, DeltaTable] = field(default_factory=dict)
    """The sources that lie on an object store."""

    def define(self, name: str, query: str) -> None:
        """Keep a query's rows in a temporary table, which spills like everything else."""
        self.connection.execute(f"CREATE TEMP TABLE {name} AS {query}")

    def fetch(self, query: str) -> list[tuple[object, ...]]:
        """Give the few rows of a query."""
        return self.connection.execute(query).fetchall()

    def write(self, query: str, order: Sequence[str], folder: Path, schema: pa.Schema) -> list[Parcel]:
        """Sort in DuckDB, and stream the sorted rows to one file a bucket.

        Whole rows are wanted here and memory is short; other queries want few columns, which Arrow's scanner picks out.
        """
        for name, source in self.far.items():
            self.connection.register(name, Streamed(source))
        reader = self.connection.sql(f"SELECT * FROM ({query}) ORDER BY {', '.join(order)}").to_arrow_reader(BATCH)
        return list(write_parcels(reader, folder, schema))


def _name(connection: duckdb.DuckDBPyConnection, name: str, source: Source) -> None:
    if isinstance(source, pa.Table):
        connection.register(name, source)
    elif isinstance(source, Path):
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {parquet([str(source)])}")
    elif _is_far(source):
        connection.register(name, source.to_pyarrow_dataset())
    else:
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {parquet(source.file_uris())}")


def _is_far(source: Source) -> TypeGuard[DeltaTable]:
    """Tell whether a source lies on an object store, which DuckDB does not open by itself."""
    return isinstance(source, DeltaTable) and urlsplit(source.table_uri).scheme not in {"", "file"}


def parquet(paths: Sequence[str]) -> str:
    """Give the SQL that reads Parquet files by their paths."""
    listed = ", ".join(quoted(path) for path in paths)
    return f"read_parquet([{listed}], union_by_name=false)"


def quoted(value: str) -> str:
    """Give a value as an SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def register(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> None:
    """Make Arrow tables visible to SQL under their names."""
    for name, table in tables.items():
        connection.register(name, table)
