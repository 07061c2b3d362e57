"""The local engine: DuckDB within a stated memory bound. Engines only read and write Parquet."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa


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
                "TimeZone": "UTC",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            yield connection
        finally:
            connection.close()


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
