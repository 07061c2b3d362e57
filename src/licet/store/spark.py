"""The cluster engine: the same SQL text on Spark. Driver and executors must see the lake and the shared folder.

Spark reads Parquet and sorts; every task then writes its buckets with `store.parcels`, so no Delta jar is needed and
a file is the same as one written on one machine. Needs the extra `spark`, and Java.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import sqlglot
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.dataset import dataset
from pyarrow.fs import PyFileSystem

from licet.model.errors import UsageError
from licet.store.engine import Done, Part, Source
from licet.store.parcels import Parcel, write_parcels

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PARCEL = "name string, size long, rows long"


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkEngine:
    """A Spark master (`local[2]`, `spark://host:7077`, `yarn`) and Spark's own options.

    Tasks open a lake on an object store with `storage_options`, and with what their environment says (`AWS_…`).
    """

    master: str
    options: Mapping[str, str] = field(default_factory=dict)
    storage_options: Mapping[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def run(self, sources: Mapping[str, Source]) -> Iterator["SparkRun"]:
        """Open a session in which each source is a table under its name; the application itself stays up.

        Raises:
            UsageError: PySpark is not installed.
        """
        # A session of its own keeps two builds' tables apart.
        spark = _application(self.master, self.options).newSession()
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        for name, source in sources.items():
            _frame(spark, source, dict(self.storage_options)).createOrReplaceTempView(name)
        run = SparkRun(spark=spark)
        try:
            yield run
        finally:
            for name in (*sources, *run.defined):
                spark.catalog.dropTempView(name)

    def spread(self, work: Callable[[Part], Done], parts: Sequence[Part]) -> list[Done]:
        """Do the same work on every part, one task each.

        A task that Spark runs twice leaves files that nobody lists; the next sweep deletes them.
        """
        if not parts:
            return []
        context = _application(self.master, self.options).sparkContext
        done: list[Done] = context.parallelize(parts, len(parts)).map(work).collect()
        return done

    def stop(self) -> None:
        """Stop the Spark application, if this process runs one."""
        _spark_session().builder.master(self.master).getOrCreate().stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkRun:
    """One Spark session over named sources."""

    spark: "SparkSession"
    defined: list[str] = field(default_factory=list)

    def define(self, name: str, query: str) -> None:
        """Keep a query under a name; Spark computes it where it is used."""
        self.spark.sql(spark_sql(query)).createOrReplaceTempView(name)
        self.defined.append(name)

    def fetch(self, query: str) -> list[tuple[object, ...]]:
        """Give the few rows of a query."""
        return [tuple(row) for row in self.spark.sql(spark_sql(query)).collect()]

    def write(self, query: str, order: Sequence[str], folder: Path, schema: pa.Schema) -> list[Parcel]:
        """Bring each bucket's rows to one task, sort there, and write one file a bucket.

        A task that Spark runs twice leaves a file that nobody lists; the next build deletes it.
        """

        def write_partition(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for parcel in write_parcels(batches, folder, schema):
                row = {"name": [parcel.name], "size": [parcel.size], "rows": [parcel.rows]}
                yield pa.RecordBatch.from_pydict(row)

        sorted_rows = self.spark.sql(spark_sql(query)).repartition("bucket").sortWithinPartitions(*order)
        written = sorted_rows.mapInArrow(write_partition, _PARCEL).collect()
        return [Parcel(name=row["name"], size=row["size"], rows=row["rows"]) for row in written]


def spark_sql(query: str) -> str:
    """Give a query, written in DuckDB's dialect, as Spark reads it.

    Raises:
        UsageError: the query is outside the core that both share.
    """
    try:
        (text,) = sqlglot.transpile(query, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        raise UsageError("a query does not fit Spark", "keep to the SQL that DuckDB and Spark share") from error
    return text


def _spark_session() -> Any:  # noqa: ANN401 # PySpark's types are there only with the extra
    try:
        from pyspark.sql import SparkSession as Found  # noqa: PLC0415 # an extra: imported only when asked for
    except ImportError as error:
        raise UsageError("PySpark is not installed", "install `licet[spark]`") from error
    return Found


def _application(master: str, options: Mapping[str, str]) -> "SparkSession":
    if master.startswith("local"):
        # Spark's workers would otherwise take the first python3 of the PATH, which need not have our libraries.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = _spark_session().builder.appName("licet").master(master).config("spark.ui.enabled", "false")
    for key, value in options.items():
        builder = builder.config(key, value)
    application: SparkSession = builder.getOrCreate()
    return application


def _frame(spark: "SparkSession", source: Source, storage_options: dict[str, str]) -> "DataFrame":
    if isinstance(source, pa.Table):
        return spark.createDataFrame(source)
    if isinstance(source, Path):
        return spark.read.parquet(str(source))
    if urlsplit(source.table_uri).scheme in {"", "file"}:
        return spark.read.parquet(*source.file_uris())
    return _remote(spark, source, storage_options)


def _remote(spark: "SparkSession", delta: DeltaTable, storage_options: dict[str, str]) -> "DataFrame":
    """Read a table on an object store: each task opens its files with delta-rs, so Spark needs no jar for the store."""
    root = delta.table_uri.rstrip("/")
    schema = pa.schema(delta.schema().to_arrow())

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = PyFileSystem(DeltaStorageHandler(root, storage_options or None))
        for batch in batches:
            names = batch.column("name").to_pylist()
            yield from dataset(names, schema=schema, filesystem=store, format="parquet").to_batches()

    names = [(uri.removeprefix(f"{root}/"),) for uri in delta.file_uris()]
    files = spark.createDataFrame(spark.sparkContext.parallelize(names, len(names)), "name string")
    return files.mapInArrow(read, spark.createDataFrame(schema.empty_table()).schema)
